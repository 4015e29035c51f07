using System.Text.Json;
using System.Text.Json.Nodes;
using FlatRender.Contracts;

namespace FlatRender.Cli;

/// <summary>How results and problems look, to people and to programs.</summary>
public static class Report
{
    public static void Refusal(Terminal terminal, Refusal refusal, bool json)
    {
        foreach (var problem in refusal.Problems)
            terminal.Note($"error: {Line(problem)}");
        if (refusal.JobId is { } job)
            terminal.Note($"job: {job}");
        if (refusal.TraceId is { } trace)
            terminal.Note($"trace id: {trace}");
        if (json)
            terminal.Output.WriteLine(new JsonObject
            {
                ["exit_code"] = refusal.ExitCode,
                ["job_id"] = refusal.JobId,
                ["errors"] = JsonSerializer.SerializeToNode(refusal.Problems, Wire.Json),
                ["trace_id"] = refusal.TraceId,
            }.ToJsonString(Wire.Json));
    }

    public static void Warnings(Terminal terminal, IEnumerable<Problem> warnings)
    {
        foreach (var warning in warnings)
            terminal.Note($"warning: {Line(warning)}");
    }

    static string Line(Problem problem) => problem.Field is { } field ? $"{field}: {problem.Message}" : problem.Message;

    /// <summary>Columns as wide as their widest cell; the last one is free.</summary>
    public static void Table(TextWriter output, params IEnumerable<string[]> rows)
    {
        var all = rows.ToArray();
        if (all.Length == 0)
            return;
        var widths = Enumerable.Range(0, all.Max(r => r.Length)).Select(c => all.Max(r => c < r.Length ? r[c].Length : 0)).ToArray();
        foreach (var row in all)
            output.WriteLine(string.Join("  ", row.Select((cell, c) => c == row.Length - 1 ? cell : cell.PadRight(widths[c]))).TrimEnd());
    }

    /// <summary>12 345 678 bytes as "12.3 MB".</summary>
    public static string Bytes(long bytes) => bytes switch
    {
        < 1_000 => $"{bytes} B",
        < 1_000_000 => FormattableString.Invariant($"{bytes / 1e3:0.0} kB"),
        < 1_000_000_000 => FormattableString.Invariant($"{bytes / 1e6:0.0} MB"),
        _ => FormattableString.Invariant($"{bytes / 1e9:0.0} GB"),
    };
}
