namespace FlatRender.Contracts;

/// <summary>A message about one render.</summary>
public interface IAboutRender
{
    JobId JobId { get; }
}

/// <summary>A message about one order of a render's work. Orders are counted up each time work is asked for; what answers an older one is stale.</summary>
public interface IAboutOrder : IAboutRender
{
    int Order { get; }
}

/// <summary>A message that the pipeline sent to itself. It is overdue once <see cref="Due"/> has passed; delivered before, it only asks again (after a restart).</summary>
public interface IReminder : IAboutOrder
{
    DateTimeOffset Due { get; }
}

/// <summary>A verdict against frames, by film frame number.</summary>
public interface IRejection : IAboutOrder
{
    IReadOnlyList<int> MissingFrames { get; }
    IReadOnlyList<int> CorruptFrames { get; }
    string Reason { get; }
}

/// <summary>The film to make. Sizes in pixels, always even; the rate is an exact fraction of frames a second.</summary>
/// <param name="Fit">Where the composition lies in the film.</param>
/// <param name="FrameStep">Composition frames a film frame, "numerator/denominator": frame i shows composition frame i × step.</param>
/// <param name="Background">#rrggbb under everything.</param>
/// <param name="Engine">What draws it: only nodes that have this engine are given its frames.</param>
/// <param name="Sound">The digest of its sound track, an AAC file of exactly its length; null: silent.</param>
public sealed record FilmSpec(int Width, int Height, int Frames, int RateNum, int RateDen, string Background, Rect Fit, string FrameStep, string Engine = "skottie", string? Sound = null)
{
    /// <summary>Length in seconds.</summary>
    public double Seconds => (double)Frames * RateDen / RateNum;
}

public sealed record Rect(double X, double Y, double Width, double Height);

/// <summary>What a render asks of the nodes that work on it, and what it counts against.</summary>
/// <param name="Template">What it was made from: a person's inputs are baked into the template's digest, so that tells no two renders of one template together.</param>
/// <param name="Tags">A node that lacks one of these gets none of it.</param>
public sealed record Needs(TemplateId? Template = null, IReadOnlyList<string>? Tags = null);

/// <summary>A delivered film. Digests are SHA-256 in lower-case hex; sizes in bytes; durations in seconds.</summary>
/// <param name="Spent">Seconds of work by kind (fetch, start, render, encode, check, store, and cpu for the processor's), all nodes together.</param>
public sealed record FilmFile(string Digest, long SizeBytes, string ThumbnailDigest, double DurationSec, int Frames, double ComputeSeconds, IReadOnlyDictionary<string, double>? Spent = null);

// What people ask of the pipeline.

/// <param name="Warnings">What preflight found that is no reason to refuse.</param>
/// <param name="PlanSeconds">How long the template took to prepare.</param>
public sealed record SubmitRender(JobId JobId, TenantId TenantId, UserId OwnerId, string Title, string TemplateDigest, FilmSpec Film, int Priority, IReadOnlyList<Problem> Warnings, double PlanSeconds = 0, Needs? Needs = null, ProjectId? ProjectId = null, SnapshotId? SnapshotId = null) : IAboutRender;
/// <param name="Progress">Per cent done, as the caller saw it.</param>
[SaidOnce]
public sealed record CancelRender(JobId JobId, string By, string Reason, int Progress) : IAboutRender;
public sealed record RetryRender(JobId JobId, string By, string Reason) : IAboutRender;
public sealed record HoldRender(JobId JobId, string By, string Reason) : IAboutRender;
public sealed record ReleaseRender(JobId JobId, string By, string Reason) : IAboutRender;

// What the gateway asks before it submits: is there anything wrong with this? The bundle, the inputs and the answer's template are blobs, by digest.

/// <param name="InputsDigest">A JSON object, field key -> text, colour or data: URI.</param>
/// <param name="Fps">As in <see cref="NewRender"/>.</param>
public sealed record PrepareRender(string BundleDigest, string InputsDigest, int? Width, int? Height, string? Fps, string? Background);
public sealed record RenderPrepared(string TemplateDigest, FilmSpec Film, IReadOnlyList<Problem> Warnings);
public sealed record RenderRefused(IReadOnlyList<Problem> Errors, IReadOnlyList<Problem> Warnings);

// What the pipeline asks of the render service and of the tenant's purse.

public sealed record PlanFrames(JobId JobId, int Order, TenantId TenantId, string TemplateDigest, FilmSpec Film, int Priority, Needs? Needs = null) : IAboutOrder;
public sealed record ResumeFrames(JobId JobId, int Order) : IAboutOrder;
public sealed record ValidateFrames(JobId JobId, int Order) : IAboutOrder;
public sealed record RepairFrames(JobId JobId, int Order, IReadOnlyList<int> MissingFrames, IReadOnlyList<int> CorruptFrames) : IAboutOrder;
public sealed record AssembleFilm(JobId JobId, int Order) : IAboutOrder;
[SaidOnce]
public sealed record StopWork(JobId JobId, int Order, string Reason) : IAboutOrder;
public sealed record HoldWork(JobId JobId) : IAboutRender;
public sealed record ReleaseWork(JobId JobId) : IAboutRender;
[SaidOnce]
public sealed record CaptureCredits(JobId JobId, TenantId TenantId, int Order) : IAboutOrder;
/// <param name="UsedPercent">How much of the work was done and stays paid for: a render that was cancelled half way.</param>
[SaidOnce]
public sealed record RefundCredits(JobId JobId, TenantId TenantId, int Order, string Reason, int UsedPercent = 0) : IAboutOrder;

// What the render service reports.

public sealed record WorkStarted(JobId JobId, int Order, NodeId NodeId) : IAboutOrder;
public sealed record FramesRendered(JobId JobId, int Order, double ComputeSeconds) : IAboutOrder;
public sealed record FramesAccepted(JobId JobId, int Order) : IAboutOrder;
public sealed record FramesRejected(JobId JobId, int Order, IReadOnlyList<int> MissingFrames, IReadOnlyList<int> CorruptFrames, string Reason) : IRejection;
public sealed record FilmAccepted(JobId JobId, int Order, FilmFile Film) : IAboutOrder;
public sealed record FilmRejected(JobId JobId, int Order, IReadOnlyList<int> MissingFrames, IReadOnlyList<int> CorruptFrames, string Reason) : IRejection;
public sealed record RendererFailed(JobId JobId, int Order, string Code, string Reason) : IAboutOrder;

// What the pipeline reminds itself of.

public sealed record QueueOverdue(JobId JobId, int Order, DateTimeOffset Due) : IReminder;
public sealed record RenderingStalled(JobId JobId, int Order, DateTimeOffset Due) : IReminder;
public sealed record ValidationOverdue(JobId JobId, int Order, DateTimeOffset Due) : IReminder;
public sealed record RepairStalled(JobId JobId, int Order, DateTimeOffset Due) : IReminder;

// What happened. The name of a fact is the step it leads to (held and released lead nowhere).

public sealed record JobQueued(JobId JobId, TenantId TenantId, UserId OwnerId, string Title, string TemplateDigest, FilmSpec Film, int Priority, IReadOnlyList<Problem> Warnings, int Order, string Reason, double PlanSeconds = 0, Needs? Needs = null, ProjectId? ProjectId = null, SnapshotId? SnapshotId = null) : IAboutOrder;
public sealed record JobRequeued(JobId JobId, int Order, int Stalls, string By, string Reason) : IAboutOrder;
public sealed record JobRendering(JobId JobId, int Order, int Stalls, NodeId? NodeId, DateTimeOffset StartedAt, string Reason) : IAboutOrder;
public sealed record JobValidating(JobId JobId, int Order, int Stalls, double ComputeSeconds, string Reason) : IAboutOrder;
public sealed record JobFramesAccepted(JobId JobId, int Order, int Stalls, string Reason) : IAboutOrder;
/// <param name="Attempt">1 for the first repair, up to <paramref name="MaxAttempts"/>.</param>
public sealed record JobRepair(JobId JobId, int Order, int Stalls, IReadOnlyList<int> MissingFrames, IReadOnlyList<int> CorruptFrames, int Attempt, int MaxAttempts, string Reason) : IAboutOrder;
public sealed record JobDone(JobId JobId, FilmFile Film, string Reason) : IAboutRender;
public sealed record JobFailed(JobId JobId, string FailedAtStep, string ErrorCode, bool RefundIssued, string Reason) : IAboutRender;
public sealed record JobCancelled(JobId JobId, DateTimeOffset CancelledAt, int ProgressWhenCancelled, string By, string Reason) : IAboutRender;
public sealed record JobHeld(JobId JobId, string By, string Reason) : IAboutRender;
public sealed record JobReleased(JobId JobId, string By, string Reason) : IAboutRender;

/// <summary>How far a render is, right now. Live only: it is never stored.</summary>
/// <param name="EtaSeconds">Null until the job's own frame times tell.</param>
/// <param name="Preview">A JPEG as a data: URI, or null.</param>
public sealed record RenderProgress(JobId JobId, int FramesDone, int TotalFrames, double? EtaSeconds, int ActiveNodes, double FramesPerSecond, string? Preview) : IAboutRender;

/// <summary>How far several renders are, told together: a message costs every hearer the same, whatever it holds.</summary>
public sealed record RenderBulletin(IReadOnlyList<RenderProgress> Renders);

/// <summary>The steps of a render, as stored and as shown.</summary>
public static class Step
{
    public const string Queued = "Queued", Rendering = "Rendering", Validating = "Validating", Repair = "Repair", Done = "Done", Failed = "Failed", Cancelled = "Cancelled";

    public static readonly IReadOnlyList<string> All = [Queued, Rendering, Validating, Repair, Done, Failed, Cancelled];

    public static bool IsTerminal(string step) => step is Done or Failed or Cancelled;
}
