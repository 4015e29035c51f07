using System.Text.Json;
using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.Foundation;

namespace FlatRender.Gateway;

/// <summary>A render's history, fact by fact, for its owner.</summary>
static class Timeline
{
    public static async Task<IResult> ListAsync(JobId id, HttpContext http, JobViews views, Streams streams, CancellationToken cancel, int page = 1, int page_size = 100)
    {
        if (Paging.Problem(page, page_size) is { } problem) return problem;
        var (view, total) = await views.FindVersionAsync(Caller.Of(http).TenantId, id, cancel);
        if (view is null) return Refuse.NotFound($"Render {id}");
        var before = (long)(page - 1) * page_size;
        var facts = before >= total ? [] : await streams.ReadAsync(id.Value, before + 1, Math.Min(before + page_size, total), cancel);
        return Results.Json(new Page<TimelineEntry>([.. facts.Select(Entry)], page, page_size, total), Wire.Json);
    }

    static TimelineEntry Entry(RecordedEvent f)
    {
        using var data = JsonDocument.Parse(f.Data);
        var reason = data.RootElement.TryGetProperty("reason", out var given) && given.ValueKind == JsonValueKind.String ? given.GetString()! : "";
        return new TimelineEntry(f.Version, f.Type, f.Timestamp, reason, data.RootElement.Clone());
    }
}
