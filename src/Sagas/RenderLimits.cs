using FlatRender.Contracts;
using FlatRender.EventStore;
using MassTransit;

namespace FlatRender.Sagas;

/// <summary>How long one wait lasts before the work is asked for again, and how often that may happen.</summary>
public sealed record Patience(TimeSpan Wait, int Times)
{
    public TimeSpan Total => Wait * (Times + 1);
}

/// <summary>How patient the pipeline is, and how often it repairs. Every wait ends: no render hangs.</summary>
/// <param name="Repairs">Repairs before the frames are called unrepairable.</param>
public sealed record RenderLimits(Patience Queue, Patience Rendering, Patience Validation, Patience Repair, int Repairs)
{
    // Waiting behind other renders for a day is no fault; nor is a long film. The farm's own deadlines find what hangs much sooner.
    public static readonly RenderLimits Default = new(
        Queue: new(TimeSpan.FromMinutes(10), 144),
        Rendering: new(TimeSpan.FromMinutes(10), 144),
        Validation: new(TimeSpan.FromMinutes(5), 12),
        Repair: new(TimeSpan.FromMinutes(5), 12),
        Repairs: 3);
}

/// <summary>The pipeline's recurring steps, each an ask with its deadline, and what it reads of a render.</summary>
static class RenderSteps
{
    public static RenderJob Job(this SagaConsumeContext<RenderSaga> x) => x.Saga.Memory;

    /// <summary>The number of the order about to be given.</summary>
    public static int Next(this SagaConsumeContext<RenderSaga> x) => x.Saga.Memory.Order + 1;

    /// <summary>Whose clock tells that a reminder is due may be ahead of whose takes it in by so much; otherwise every one would come early there, and no wait ever end.</summary>
    static readonly TimeSpan ClocksDiffer = TimeSpan.FromSeconds(10);

    // A reminder that comes before it is due was woken by a restart: it asks again, but nobody was late.
    static bool IsLate<T>(this BehaviorContext<RenderSaga, T> x) where T : class, IReminder => x.Now() >= x.Message.Due - ClocksDiffer;

    // Nobody works on what is held: however long that takes, it uses up no patience.
    static bool Counts<T>(this BehaviorContext<RenderSaga, T> x) where T : class, IReminder => x.IsLate() && !x.Job().Held;

    public static int Stalls<T>(this BehaviorContext<RenderSaga, T> x) where T : class, IReminder => x.Job().Stalls + (x.Counts() ? 1 : 0);

    public static bool IsExhausted<T>(this BehaviorContext<RenderSaga, T> x, Patience patience) where T : class, IReminder => x.Counts() && x.Job().Stalls >= patience.Times;

    public static string Why<T>(this BehaviorContext<RenderSaga, T> x, string lateness) where T : class, IReminder =>
        x.Job().Held ? $"{lateness}: it is held; asked again" : x.IsLate() ? $"{lateness}; asked again" : "asked again after a restart";

    public static EventActivityBinder<RenderSaga, T> AskPlan<T>(this EventActivityBinder<RenderSaga, T> step, RenderLimits limits) where T : class, IAboutRender => step
        .Ask(x => new PlanFrames(x.Message.JobId, x.Job().Order, x.Job().TenantId, x.Job().TemplateDigest, x.Job().Film!, x.Job().Priority, x.Job().Needs))
        .Remind(limits.Queue.Wait, (x, due) => new QueueOverdue(x.Message.JobId, x.Job().Order, due));

    public static EventActivityBinder<RenderSaga, T> RemindRendering<T>(this EventActivityBinder<RenderSaga, T> step, RenderLimits limits) where T : class, IAboutRender => step
        .Remind(limits.Rendering.Wait, (x, due) => new RenderingStalled(x.Message.JobId, x.Job().Order, due));

    public static EventActivityBinder<RenderSaga, T> AskValidation<T>(this EventActivityBinder<RenderSaga, T> step, RenderLimits limits) where T : class, IAboutRender => step
        .Ask(x => new ValidateFrames(x.Message.JobId, x.Job().Order))
        .Remind(limits.Validation.Wait, (x, due) => new ValidationOverdue(x.Message.JobId, x.Job().Order, due));

    public static EventActivityBinder<RenderSaga, T> AskAssembly<T>(this EventActivityBinder<RenderSaga, T> step, RenderLimits limits) where T : class, IAboutRender => step
        .Ask(x => new AssembleFilm(x.Message.JobId, x.Job().Order))
        .Remind(limits.Validation.Wait, (x, due) => new ValidationOverdue(x.Message.JobId, x.Job().Order, due));

    public static EventActivityBinder<RenderSaga, T> AskRepair<T>(this EventActivityBinder<RenderSaga, T> step, RenderLimits limits) where T : class, IAboutRender => step
        .Ask(x => new RepairFrames(x.Message.JobId, x.Job().Order, x.Job().MissingFrames, x.Job().CorruptFrames))
        .Remind(limits.Repair.Wait, (x, due) => new RepairStalled(x.Message.JobId, x.Job().Order, due));
}
