namespace FlatRender.Contracts;

// The public REST of the gateway (JSON, snake_case). Errors are always the ErrorEnvelope.
//   POST /v1/templates                 TemplateBundle -> 201 TemplateView
//   POST /v1/renders                   NewRender      -> 202 RenderView, Location; 422 PREFLIGHT_FAILED with every problem
//   GET  /v1/renders?page=1&page_size=20&step=        -> Page<RenderView>
//   GET  /v1/renders/{id}                             -> RenderView
//   POST /v1/renders/{id}/cancel       ReasonGiven    -> 202 RenderView
//   POST /v1/renders/{id}/retry        ReasonGiven    -> 202 RenderView
//   GET  /v1/renders/{id}/events                      -> Page<TimelineEntry>
//   GET  /v1/renders/{id}/waiting                     -> WaitExplained
//   GET  /v1/renders/{id}/film, /thumbnail            -> the bytes, with ranges

/// <summary>A template with all it needs, in one document.</summary>
/// <param name="Lottie">The composition, as exported.</param>
/// <param name="Fields">The schema of what may be filled in; null: every text layer by its name.</param>
/// <param name="Assets">Path of an image as the composition names it -> data: URI.</param>
/// <param name="Fonts">"Family-Style" -> data: URI of a TTF or OTF.</param>
public sealed record TemplateBundle(string Name, System.Text.Json.JsonElement Lottie, System.Text.Json.JsonElement? Fields, IReadOnlyDictionary<string, string>? Assets, IReadOnlyDictionary<string, string>? Fonts);

public sealed record TemplateView(TemplateId TemplateId, string Name, string Digest, DateTimeOffset CreatedAt);

/// <summary>What is to be rendered: exactly one of template, project (as it is now) and snapshot. Inputs and format go with a template; a project and a snapshot have their own.</summary>
/// <param name="Inputs">Field key -> text, colour (#rrggbb) or image (data: URI).</param>
/// <param name="Width">Pixels; null: the composition's own.</param>
/// <param name="Fps">"30", "29.97" or "30000/1001"; null: the composition's own.</param>
/// <param name="Background">#rrggbb; null: white.</param>
/// <param name="Priority">0 (lowest) to 100; null: 50.</param>
/// <param name="Tags">Only nodes that have all of these work on it; null: any.</param>
public sealed record NewRender(TemplateId? TemplateId, IReadOnlyDictionary<string, string>? Inputs, int? Width, int? Height, string? Fps, string? Background, int? Priority, IReadOnlyList<string>? Tags = null,
    ProjectId? ProjectId = null, SnapshotId? SnapshotId = null);

public sealed record ReasonGiven(string? Reason);

/// <summary>A render as its owner sees it.</summary>
/// <param name="Progress">Per cent.</param>
/// <param name="Timing">Seconds spent so far, by what they were spent on.</param>
public sealed record RenderView(
    JobId JobId, string Title, string Step, int Progress, int CurrentFrame, int TotalFrames, double? EtaSeconds, double? FramesPerSecond, int ActiveNodes,
    int Width, int Height, string Fps, double DurationSec, int Priority, bool Held, string Reason,
    DateTimeOffset CreatedAt, DateTimeOffset? StartedAt, DateTimeOffset? FinishedAt,
    string? OutputUrl, string? ThumbnailUrl, long? SizeBytes, double? ComputeSeconds,
    string? ErrorCode, string? TraceId, IReadOnlyList<Problem> Warnings, IReadOnlyDictionary<string, double>? Timing,
    TemplateId? TemplateId = null, ProjectId? ProjectId = null, SnapshotId? SnapshotId = null);

/// <summary>One fact of a render's history. <paramref name="Seq"/> is the stream version.</summary>
public sealed record TimelineEntry(long Seq, string Type, DateTimeOffset At, string Reason, System.Text.Json.JsonElement Data);

public sealed record Page<T>(IReadOnlyList<T> Items, [property: System.Text.Json.Serialization.JsonPropertyName("page")] int PageNumber, int PageSize, long Total);
