using System.Text.Json;
using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.Foundation;
using Microsoft.AspNetCore.Http;

namespace FlatRender.Support;

/// <summary>A memory as it was, with the facts that led there.</summary>
public sealed record ReplayView(Guid JobId, long Version, DateTimeOffset At, JsonElement Memory, IReadOnlyList<TimelineEntry> Facts);

/// <summary>History over HTTP: replayed, verified, handed out.</summary>
static class History
{
    /// <param name="at">A version, or a time (ISO 8601); none: now.</param>
    public static async Task<IResult> ReplayAsync(Guid id, Audit audit, CancellationToken cancel, string? at = null)
    {
        if (Since.Parse(at) is not { } point) return Refuse.Invalid("BAD_POINT", "at is a version or a time (ISO 8601).");
        if (await audit.ReplayAsync(id, point.Seq, point.Time, cancel) is not { } replayed) return Refuse.NotFound($"A render {id} {(at is null ? "" : "so early ")}".TrimEnd());
        return Results.Json(new ReplayView(id, replayed.Version, replayed.At, Parsed(replayed.Memory), [.. replayed.Facts.Select(Entry)]), Wire.Json);
    }

    /// <param name="since">A number in the store, or a time; none: everything.</param>
    public static async Task<IResult> VerifyAsync(Audit audit, CancellationToken cancel, string? since = null) =>
        Since.Parse(since) is { } from
            ? Results.Json(await audit.VerifyAsync(from, cancel, workers: 1), Wire.Json)
            : Refuse.Invalid("BAD_POINT", "since is a number in the store or a time (ISO 8601).");

    /// <param name="job">One render; none: everything.</param>
    public static IResult ExportAsync(Audit audit, CancellationToken cancel, Guid? job = null) =>
        Results.Stream(async body => await audit.ExportAsync(job, body, cancel), "application/x-ndjson", job is null ? "facts.ndjson" : $"{job}.ndjson");

    static TimelineEntry Entry(RecordedEvent e)
    {
        var data = Parsed(e.Data);
        var reason = data.TryGetProperty("reason", out var given) && given.ValueKind == JsonValueKind.String ? given.GetString()! : "";
        return new TimelineEntry(e.Version, e.Type, e.Timestamp, reason, data);
    }

    static JsonElement Parsed(string json) => JsonSerializer.Deserialize<JsonElement>(json);
}
