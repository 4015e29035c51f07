using FlatRender.Contracts;
using FlatRender.EventStore;

namespace FlatRender.Sagas;

/// <summary>The saga instance: MassTransit's view of one render. What it remembers is <see cref="RenderJob"/>.</summary>
public sealed class RenderSaga : StreamedSaga<RenderJob>;

/// <summary>What the pipeline remembers of one render: a fold of its facts and of nothing else.</summary>
public sealed record RenderJob(Guid Id) : IMemory<RenderJob>
{
    public string State { get; init; } = "";
    public TenantId TenantId { get; init; }
    public UserId OwnerId { get; init; }
    public string Title { get; init; } = "";
    public string TemplateDigest { get; init; } = "";
    public FilmSpec? Film { get; init; }
    public int Priority { get; init; }
    public Needs? Needs { get; init; }

    /// <summary>Number of the work order that is being waited for; answers to older ones are stale.</summary>
    public int Order { get; init; }

    /// <summary>How often the present wait has run out.</summary>
    public int Stalls { get; init; }

    /// <summary>Repairs begun since the render was queued or retried.</summary>
    public int Repairs { get; init; }

    /// <summary>Every frame is accepted; the film is being put together.</summary>
    public bool Assembling { get; init; }

    public bool Held { get; init; }
    public IReadOnlyList<int> MissingFrames { get; init; } = [];
    public IReadOnlyList<int> CorruptFrames { get; init; } = [];
    public DateTimeOffset? StartedAt { get; init; }
    public double ComputeSeconds { get; init; }
    public FilmFile? Result { get; init; }
    public string? ErrorCode { get; init; }
    public string Reason { get; init; } = "";

    public static RenderJob Unborn(Guid id) => new(id);

    public RenderJob Apply(object fact) => fact switch
    {
        JobQueued e => Apply(e),
        JobRequeued e => Apply(e),
        JobRendering e => Apply(e),
        JobValidating e => Apply(e),
        JobFramesAccepted e => Apply(e),
        JobRepair e => Apply(e),
        JobDone e => Apply(e),
        JobFailed e => Apply(e),
        JobCancelled e => Apply(e),
        JobHeld e => Apply(e),
        JobReleased e => Apply(e),
        _ => throw new UnknownWordException($"A render's memory cannot take in a {fact.GetType().Name}."),
    };

    public RenderJob Apply(JobQueued e) => this with
    {
        State = Step.Queued,
        TenantId = e.TenantId,
        OwnerId = e.OwnerId,
        Title = e.Title,
        TemplateDigest = e.TemplateDigest,
        Film = e.Film,
        Priority = e.Priority,
        Needs = e.Needs,
        Order = e.Order,
        Reason = e.Reason,
    };

    public RenderJob Apply(JobRequeued e) => this with
    {
        // From Failed it is a new life: what went wrong before is history.
        State = Step.Queued,
        Order = e.Order,
        Stalls = e.Stalls,
        Repairs = State == Step.Failed ? 0 : Repairs,
        Assembling = false,
        ErrorCode = null,
        MissingFrames = [],
        CorruptFrames = [],
        Reason = e.Reason,
    };

    public RenderJob Apply(JobRendering e) => this with { State = Step.Rendering, Order = e.Order, Stalls = e.Stalls, StartedAt = StartedAt ?? e.StartedAt, Reason = e.Reason };

    public RenderJob Apply(JobValidating e) => this with { State = Step.Validating, Order = e.Order, Stalls = e.Stalls, Assembling = false, ComputeSeconds = e.ComputeSeconds, Reason = e.Reason };

    public RenderJob Apply(JobFramesAccepted e) => this with { Order = e.Order, Stalls = e.Stalls, Assembling = true, MissingFrames = [], CorruptFrames = [], Reason = e.Reason };

    public RenderJob Apply(JobRepair e) => this with
    {
        State = Step.Repair,
        Order = e.Order,
        Stalls = e.Stalls,
        Repairs = e.Attempt,
        Assembling = false,
        MissingFrames = e.MissingFrames,
        CorruptFrames = e.CorruptFrames,
        Reason = e.Reason,
    };

    public RenderJob Apply(JobDone e) => this with { State = Step.Done, Result = e.Film, ComputeSeconds = e.Film.ComputeSeconds, Reason = e.Reason };

    public RenderJob Apply(JobFailed e) => this with { State = Step.Failed, ErrorCode = e.ErrorCode, Reason = e.Reason };

    public RenderJob Apply(JobCancelled e) => this with { State = Step.Cancelled, Reason = e.Reason };

    public RenderJob Apply(JobHeld e) => this with { Held = true, Reason = e.Reason };

    public RenderJob Apply(JobReleased e) => this with { Held = false, Reason = e.Reason };

    // Lists compare by what is in them: a memory read back from the store equals the one that was written.
    public bool Equals(RenderJob? other) => other is not null && System.Text.Json.JsonSerializer.Serialize(this, Wire.Json) == System.Text.Json.JsonSerializer.Serialize(other, Wire.Json);

    public override int GetHashCode() => HashCode.Combine(Id, State, Order);
}
