using System.Text.Json;
using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.Foundation;

namespace FlatRender.Gateway;

/// <summary>A render's history, fact by fact, for its owner.</summary>
static class Timeline
{
    public static async Task<IResult> ListAsync(JobId id, HttpContext http, JobViews views, Streams streams, CancellationToken cancel)
    {
        if (await views.FindAsync(Caller.Of(http).TenantId, id, cancel) is null) return Refuse.NotFound($"Render {id}");
        var facts = await streams.ReadAsync(id.Value, cancel);
        var entries = facts.Select(f =>
        {
            using var data = JsonDocument.Parse(f.Data);
            var reason = data.RootElement.TryGetProperty("reason", out var given) && given.ValueKind == JsonValueKind.String ? given.GetString()! : "";
            return new TimelineEntry(f.Version, f.Type, f.Timestamp, reason, data.RootElement.Clone());
        }).ToArray();
        return Results.Json(new Page<TimelineEntry>(entries, 1, Math.Max(entries.Length, 1), entries.Length), Wire.Json);
    }
}
