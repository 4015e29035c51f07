using FlatRender.Contracts;

namespace FlatRender.Pipeline.Tests;

/// <summary>How a render comes to be in each of its states, and one of each message it may meet there.</summary>
static class Lives
{
    public static readonly TenantId Tenant = new(Guid.NewGuid());
    public static readonly UserId Owner = new(Guid.NewGuid());
    public static readonly NodeId Node = new(Guid.NewGuid());
    public static readonly FilmFile Film = new("ab", 1234, "cd", 8, 240, 3.5);

    /// <summary>"" is before the first message; Assembling is the second half of Validating.</summary>
    public static readonly string[] States = ["", "Queued", "Rendering", "Validating", "Assembling", "Repair", "Done", "Failed", "Cancelled"];

    public static readonly string[] Messages =
    [
        nameof(SubmitRender), nameof(WorkStarted), nameof(FramesRendered), nameof(FramesAccepted), nameof(FramesRejected), nameof(FilmAccepted), nameof(FilmRejected), nameof(RendererFailed),
        nameof(CancelRender), nameof(RetryRender), nameof(HoldRender), nameof(ReleaseRender),
        nameof(QueueOverdue), nameof(RenderingStalled), nameof(ValidationOverdue), nameof(RepairStalled),
    ];

    /// <summary>The messages that lead to the state.</summary>
    public static object[] UpTo(string state, JobId id)
    {
        object[] queued = [Submit(id)];
        object[] rendering = [.. queued, new WorkStarted(id, 1, Node)];
        object[] validating = [.. rendering, new FramesRendered(id, 1, 3.5)];
        object[] assembling = [.. validating, new FramesAccepted(id, 2)];
        return state switch
        {
            "" => [],
            "Queued" => queued,
            "Rendering" => rendering,
            "Validating" => validating,
            "Assembling" => assembling,
            "Repair" => [.. validating, Rejected(id, 2)],
            "Done" => [.. assembling, new FilmAccepted(id, 3, Film)],
            "Failed" => [.. rendering, new RendererFailed(id, 1, "AE_REPEATED_CRASH", "it crashed three times")],
            "Cancelled" => [.. rendering, Cancel(id)],
            _ => throw new ArgumentOutOfRangeException(nameof(state), state, "no such state"),
        };
    }

    /// <summary>The message by name, of this order; reminders are overdue at <paramref name="due"/>.</summary>
    public static object Message(string name, JobId id, int order, DateTimeOffset due) => name switch
    {
        nameof(SubmitRender) => Submit(id),
        nameof(WorkStarted) => new WorkStarted(id, order, Node),
        nameof(FramesRendered) => new FramesRendered(id, order, 3.5),
        nameof(FramesAccepted) => new FramesAccepted(id, order),
        nameof(FramesRejected) => Rejected(id, order),
        nameof(FilmAccepted) => new FilmAccepted(id, order, Film),
        nameof(FilmRejected) => new FilmRejected(id, order, [], [100], "frame 100 is not as drawn"),
        nameof(RendererFailed) => new RendererFailed(id, order, "AE_REPEATED_CRASH", "it crashed three times"),
        nameof(CancelRender) => Cancel(id),
        nameof(RetryRender) => new RetryRender(id, "support", "the disk was full"),
        nameof(HoldRender) => new HoldRender(id, "support", "a complaint"),
        nameof(ReleaseRender) => new ReleaseRender(id, "support", "settled"),
        nameof(QueueOverdue) => new QueueOverdue(id, order, due),
        nameof(RenderingStalled) => new RenderingStalled(id, order, due),
        nameof(ValidationOverdue) => new ValidationOverdue(id, order, due),
        nameof(RepairStalled) => new RepairStalled(id, order, due),
        _ => throw new ArgumentOutOfRangeException(nameof(name), name, "no such message"),
    };

    public static SubmitRender Submit(JobId id) => new(id, Tenant, Owner, "Title card", "0123", RenderScenario.Film, 50, []);

    public static CancelRender Cancel(JobId id) => new(id, "user x", "changed my mind", 42);

    public static FramesRejected Rejected(JobId id, int order) => new(id, order, [3, 4], [17], "2 frames are missing, 1 is corrupt");
}
