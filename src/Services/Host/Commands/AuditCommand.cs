using System.Globalization;
using System.Text.Json;
using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.Sagas;
using Npgsql;

namespace FlatRender.Host;

/// <summary><c>flatrender audit</c>: proves what is stored, shows what was, hands it out.</summary>
static class AuditCommand
{
    const string Usage = """
        usage: flatrender audit verify [--since SEQ|TIME]        every chain, path and memory; 1 if anything is not as it must be
               flatrender audit replay JOB [--at VERSION|TIME]   the memory as it was, and the facts that led there
               flatrender audit export JOB|--all                 facts as NDJSON
        """;

    /// <returns>0: sound, or done. 1: something was found, or is not there. 2: not understood.</returns>
    public static async Task<int> RunAsync(string[] args, NpgsqlDataSource database, CancellationToken cancel)
    {
        var audit = new Audit(new EventStoreOptions { DataSource = database }, [LegalPath.Kind, Identity.Purse.Kind], TimeProvider.System);
        return args switch
        {
            ["verify"] => await VerifyAsync(audit, Since.Ever, cancel),
            ["verify", "--since", var since] when Since.Parse(since) is { } parsed => await VerifyAsync(audit, parsed, cancel),
            ["replay", var job] when Guid.TryParse(job, out var id) => await ReplayAsync(audit, id, Since.Ever, cancel),
            ["replay", var job, "--at", var at] when Guid.TryParse(job, out var id) && Since.Parse(at) is { } parsed => await ReplayAsync(audit, id, parsed, cancel),
            ["export", "--all"] => await ExportAsync(audit, null, cancel),
            ["export", var job] when Guid.TryParse(job, out var id) => await ExportAsync(audit, id, cancel),
            _ => Misunderstood(),
        };
    }

    static async Task<int> VerifyAsync(Audit audit, Since since, CancellationToken cancel)
    {
        var report = await audit.VerifyAsync(since, cancel);
        foreach (var finding in report.Findings) Console.WriteLine(finding);
        if (report.Found > report.Findings.Count) Console.WriteLine($"... and {report.Found - report.Findings.Count} more.");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{report.Streams} streams, {report.Events} events, {report.Found} findings, {report.Seconds:F1} s, {report.Events / Math.Max(report.Seconds, 0.001):F0} events/s"));
        return report.IsSound ? 0 : 1;
    }

    static async Task<int> ReplayAsync(Audit audit, Guid id, Since at, CancellationToken cancel)
    {
        if (await audit.ReplayAsync(id, at.Seq, at.Time, cancel) is not { } replayed)
        {
            Console.Error.WriteLine($"Render {id} has no facts{(at == Since.Ever ? "" : " so early")}.");
            return 1;
        }

        foreach (var fact in replayed.Facts)
        {
            using var data = JsonDocument.Parse(fact.Data);
            var reason = data.RootElement.TryGetProperty("reason", out var given) ? given.ToString() : "";
            Console.WriteLine($"{fact.Version,5}  {fact.Timestamp:yyyy-MM-dd HH:mm:ss.fff}  {fact.Type,-34}  {fact.Header("actor"),-12}  {reason}");
        }
        using var memory = JsonDocument.Parse(replayed.Memory);
        Console.WriteLine(JsonSerializer.Serialize(memory, new JsonSerializerOptions(Wire.Json) { WriteIndented = true }));
        return 0;
    }

    static async Task<int> ExportAsync(Audit audit, Guid? id, CancellationToken cancel)
    {
        await using var output = new BufferedStream(Console.OpenStandardOutput(), 1 << 16);
        var count = await audit.ExportAsync(id, output, cancel);
        await output.FlushAsync(cancel);
        if (count > 0 || id is null) return 0;
        Console.Error.WriteLine($"Render {id} has no facts.");
        return 1;
    }

    static int Misunderstood()
    {
        Console.Error.WriteLine(Usage);
        return 2;
    }
}
