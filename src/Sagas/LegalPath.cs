using FlatRender.Contracts;
using FlatRender.EventStore;

namespace FlatRender.Sagas;

/// <summary>
/// Which facts may follow which in the life of a render: the pipeline's own steps, read off its facts. A spec drives the machine into every state with every
/// message and compares: what the machine records is all in this table, and all of this table is recorded by the machine.
/// </summary>
public static class LegalPath
{
    /// <summary>What an audit must know of streams of renders.</summary>
    public static readonly StreamKind Kind = StreamKind.Of<RenderJob>(Illegal);

    /// <summary>State, fact that may follow, state it leads to. "" is before the first fact.</summary>
    public static readonly IReadOnlySet<(string From, Type Fact, string To)> Steps = new HashSet<(string, Type, string)>(
    [
        ("", typeof(JobQueued), Step.Queued),
        (Step.Queued, typeof(JobRequeued), Step.Queued),
        (Step.Queued, typeof(JobRendering), Step.Rendering),
        (Step.Rendering, typeof(JobRendering), Step.Rendering),
        (Step.Rendering, typeof(JobValidating), Step.Validating),
        (Step.Validating, typeof(JobValidating), Step.Validating),
        (Step.Validating, typeof(JobFramesAccepted), Step.Validating),
        (Step.Validating, typeof(JobRepair), Step.Repair),
        (Step.Validating, typeof(JobDone), Step.Done),
        (Step.Repair, typeof(JobRepair), Step.Repair),
        (Step.Repair, typeof(JobValidating), Step.Validating),
        (Step.Failed, typeof(JobRequeued), Step.Queued),
        .. Live.SelectMany(state => new (string, Type, string)[]
        {
            (state, typeof(JobFailed), Step.Failed),
            (state, typeof(JobCancelled), Step.Cancelled),
            (state, typeof(JobHeld), state),
            (state, typeof(JobReleased), state),
        }),
    ]);

    static IEnumerable<string> Live => [Step.Queued, Step.Rendering, Step.Validating, Step.Repair];

    /// <summary>Why the fact may not follow, or null.</summary>
    public static string? Illegal(RenderJob job, object fact)
    {
        var after = job.Apply(fact).State;
        if (!Steps.Contains((job.State, fact.GetType(), after))) return $"{fact.GetType().Name} may not follow in {(job.State == "" ? "a render that is not born" : job.State)}.";
        return fact switch
        {
            IAboutRender e when e.JobId.Value != job.Id => $"it is about render {e.JobId}.",
            JobQueued { Order: not 1 } e => $"the first order is 1, not {e.Order}.",
            // The first chunk was leased under the order that planned the frames; every other fact with an order is a new one.
            JobRendering e when job.State == Step.Queued => e.Order == job.Order ? null : $"rendering began under order {e.Order}, asked for was {job.Order}.",
            IAboutOrder e when e is not JobQueued && e.Order != job.Order + 1 => $"order {e.Order} follows order {job.Order}.",
            JobValidating when job is { State: Step.Validating, Assembling: true } => "the frames were accepted already.",
            JobRepair e when e.Attempt != job.Repairs + (job.State == Step.Validating ? 1 : 0) => $"repair {e.Attempt} follows after {job.Repairs}.",
            JobRepair e when e.Attempt > e.MaxAttempts => $"repair {e.Attempt} is one more than the {e.MaxAttempts} allowed.",
            JobDone when !job.Assembling => "the frames were not accepted.",
            JobFailed e when e.FailedAtStep != job.State => $"it says that it failed in {e.FailedAtStep}; the render was in {job.State}.",
            JobHeld when job.Held => "it is held already.",
            JobReleased when !job.Held => "it is not held.",
            _ => null,
        };
    }
}
