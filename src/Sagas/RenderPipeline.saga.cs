using System.Linq.Expressions;
using FlatRender.Contracts;
using FlatRender.EventStore;
using MassTransit;

namespace FlatRender.Sagas;

/// <summary>The life of one render, from submission to film. Read the constructor from the top.</summary>
public sealed class RenderPipeline : MassTransitStateMachine<RenderSaga>
{
    readonly RenderLimits _limits;

    public RenderPipeline(RenderLimits limits)
    {
        _limits = limits;
        InstanceState(x => x.CurrentState);
        // Nearly always a new render: presumed unborn without reading, refused by the append if it is not.
        Listen(() => SubmitRender, begins: true);
        Listen(() => CancelRender);
        Listen(() => RetryRender);
        Listen(() => HoldRender);
        Listen(() => ReleaseRender);
        Listen(() => WorkStarted);
        Listen(() => FramesRendered);
        Listen(() => FramesAccepted);
        Listen(() => FramesRejected);
        Listen(() => FilmAccepted);
        Listen(() => FilmRejected);
        Listen(() => RendererFailed);
        Listen(() => QueueOverdue);
        Listen(() => RenderingStalled);
        Listen(() => ValidationOverdue);
        Listen(() => RepairStalled);

        Initially(
            When(SubmitRender)
                .Record(x => new JobQueued(x.Message.JobId, x.Message.TenantId, x.Message.OwnerId, x.Message.Title, x.Message.TemplateDigest, x.Message.Film, x.Message.Priority, x.Message.Warnings, Order: 1, "submitted", x.Message.PlanSeconds, x.Message.Needs, x.Message.ProjectId, x.Message.SnapshotId))
                .AskPlan(limits)
                .TransitionTo(Queued));

        During(Queued,
            When(WorkStarted, IsCurrent)
                .Record(x => new JobRendering(x.Message.JobId, x.Job().Order, 0, x.Message.NodeId, x.Now(), "a node took the first chunk"))
                .RemindRendering(limits)
                .TransitionTo(Rendering),
            // Work may end before the word that it began has arrived.
            When(FramesRendered, IsCurrent)
                .Record(x => new JobRendering(x.Message.JobId, x.Job().Order, 0, null, x.Now(), "the first chunk is in"))
                .Record(x => new JobValidating(x.Message.JobId, x.Next(), 0, x.Message.ComputeSeconds, "all chunks are in"))
                .AskValidation(limits)
                .TransitionTo(Validating),
            When(QueueOverdue, IsCurrent)
                .IfElse(x => x.IsExhausted(limits.Queue),
                    enough => Fail(enough, _ => "QUEUE_OVERDUE", _ => $"no node took it within {limits.Queue.Total}"),
                    again => again
                        .Record(x => new JobRequeued(x.Message.JobId, x.Next(), x.Stalls(), "pipeline", x.Why("no node has taken it yet")))
                        .AskPlan(limits)));

        During(Rendering,
            When(FramesRendered, IsCurrent)
                .Record(x => new JobValidating(x.Message.JobId, x.Next(), 0, x.Message.ComputeSeconds, "all chunks are in"))
                .AskValidation(limits)
                .TransitionTo(Validating),
            When(RenderingStalled, IsCurrent)
                .IfElse(x => x.IsExhausted(limits.Rendering),
                    enough => Fail(enough, _ => "RENDERING_STALLED", _ => $"not rendered within {limits.Rendering.Total}"),
                    again => again
                        .Record(x => new JobRendering(x.Message.JobId, x.Next(), x.Stalls(), null, x.Now(), x.Why("not all chunks are in yet")))
                        .Ask(x => new ResumeFrames(x.Message.JobId, x.Job().Order))
                        .RemindRendering(limits)));

        During(Validating,
            When(FramesAccepted, IsFrameCheck)
                .Record(x => new JobFramesAccepted(x.Message.JobId, x.Next(), 0, "every frame is as it was drawn"))
                .AskAssembly(limits),
            When(FramesRejected, IsFrameCheck)
                .IfElse(MayRepair, RepairAgain, GiveUp),
            When(FilmAccepted, IsFilmCheck)
                .Record(x => new JobDone(x.Message.JobId, x.Message.Film, "the film is whole and every frame of it checked"))
                .Ask(x => new CaptureCredits(x.Message.JobId, x.Job().TenantId, x.Job().Order))
                .TransitionTo(Done),
            When(FilmRejected, IsFilmCheck)
                .IfElse(MayRepair, RepairAgain, GiveUp),
            When(ValidationOverdue, IsCurrent)
                .IfElse(x => x.IsExhausted(limits.Validation),
                    enough => Fail(enough, _ => "VALIDATION_OVERDUE", _ => $"not validated within {limits.Validation.Total}"),
                    again => again.IfElse(x => x.Job().Assembling,
                        film => film
                            .Record(x => new JobFramesAccepted(x.Message.JobId, x.Next(), x.Stalls(), x.Why("the film is not assembled yet")))
                            .AskAssembly(limits),
                        frames => frames
                            .Record(x => new JobValidating(x.Message.JobId, x.Next(), x.Stalls(), x.Job().ComputeSeconds, x.Why("not all frames are checked yet")))
                            .AskValidation(limits))));

        During(Repair,
            When(FramesRendered, IsCurrent)
                .Record(x => new JobValidating(x.Message.JobId, x.Next(), 0, x.Message.ComputeSeconds, "the repaired frames are in"))
                .AskValidation(limits)
                .TransitionTo(Validating),
            When(RepairStalled, IsCurrent)
                .IfElse(x => x.IsExhausted(limits.Repair),
                    enough => Fail(enough, _ => "REPAIR_STALLED", _ => $"not repaired within {limits.Repair.Total}"),
                    again => again
                        .Record(x => new JobRepair(x.Message.JobId, x.Next(), x.Stalls(), x.Job().MissingFrames, x.Job().CorruptFrames, x.Job().Repairs, limits.Repairs, x.Why("the frames are not repaired yet")))
                        .AskRepair(limits)));

        During(Queued, Rendering, Validating, Repair,
            Fail(When(RendererFailed, IsCurrent), x => x.Message.Code, x => x.Message.Reason),
            When(CancelRender)
                .Record(x => new JobCancelled(x.Message.JobId, x.Now(), x.Message.Progress, x.Message.By, x.Message.Reason))
                .Ask(x => new StopWork(x.Message.JobId, x.Job().Order, x.Message.Reason))
                .Ask(x => new RefundCredits(x.Message.JobId, x.Job().TenantId, x.Job().Order, x.Message.Reason, x.Message.Progress))
                .TransitionTo(Cancelled),
            When(HoldRender, IsFree)
                .Record(x => new JobHeld(x.Message.JobId, x.Message.By, x.Message.Reason))
                .Ask(x => new HoldWork(x.Message.JobId)),
            When(ReleaseRender, IsHeld)
                .Record(x => new JobReleased(x.Message.JobId, x.Message.By, x.Message.Reason))
                .Ask(x => new ReleaseWork(x.Message.JobId)));

        During(Failed,
            When(RetryRender)
                .Record(x => new JobRequeued(x.Message.JobId, x.Next(), 0, x.Message.By, x.Message.Reason))
                .AskPlan(limits)
                .TransitionTo(Queued));

        // Late and repeated messages are expected of a queue; anything else in a wrong state is a fault.
        DuringAny(Ignore(SubmitRender));
        During(Queued, Rendering, Validating, Repair, Ignore(RetryRender));
        During(Queued, Rendering, Repair, Ignore(FramesAccepted, IsStale), Ignore(FramesRejected, IsStale), Ignore(FilmAccepted, IsStale), Ignore(FilmRejected, IsStale));
        During(Validating, Ignore(FramesRendered, IsStale));
        During(Rendering, Validating, Repair, Ignore(WorkStarted), Ignore(QueueOverdue));
        During(Queued, Validating, Repair, Ignore(RenderingStalled));
        During(Queued, Rendering, Repair, Ignore(ValidationOverdue));
        During(Queued, Rendering, Validating, Ignore(RepairStalled));
        During(Done, Failed, Cancelled, Ignore(CancelRender), Ignore(HoldRender), Ignore(ReleaseRender),
            Ignore(WorkStarted), Ignore(FramesRendered), Ignore(FramesAccepted), Ignore(FramesRejected), Ignore(FilmAccepted), Ignore(FilmRejected), Ignore(RendererFailed),
            Ignore(QueueOverdue), Ignore(RenderingStalled), Ignore(ValidationOverdue), Ignore(RepairStalled));
        During(Done, Cancelled, Ignore(RetryRender));
    }

    public State Queued { get; private set; } = null!;
    public State Rendering { get; private set; } = null!;
    public State Validating { get; private set; } = null!;
    public State Repair { get; private set; } = null!;
    public State Done { get; private set; } = null!;
    public State Failed { get; private set; } = null!;
    public State Cancelled { get; private set; } = null!;

    public Event<SubmitRender> SubmitRender { get; private set; } = null!;
    public Event<CancelRender> CancelRender { get; private set; } = null!;
    public Event<RetryRender> RetryRender { get; private set; } = null!;
    public Event<HoldRender> HoldRender { get; private set; } = null!;
    public Event<ReleaseRender> ReleaseRender { get; private set; } = null!;
    public Event<WorkStarted> WorkStarted { get; private set; } = null!;
    public Event<FramesRendered> FramesRendered { get; private set; } = null!;
    public Event<FramesAccepted> FramesAccepted { get; private set; } = null!;
    public Event<FramesRejected> FramesRejected { get; private set; } = null!;
    public Event<FilmAccepted> FilmAccepted { get; private set; } = null!;
    public Event<FilmRejected> FilmRejected { get; private set; } = null!;
    public Event<RendererFailed> RendererFailed { get; private set; } = null!;
    public Event<QueueOverdue> QueueOverdue { get; private set; } = null!;
    public Event<RenderingStalled> RenderingStalled { get; private set; } = null!;
    public Event<ValidationOverdue> ValidationOverdue { get; private set; } = null!;
    public Event<RepairStalled> RepairStalled { get; private set; } = null!;

    static bool IsStale<T>(BehaviorContext<RenderSaga, T> x) where T : class, IAboutOrder => x.Message.Order < x.Job().Order;

    // An answer to the order that is waited for is taken, one to an older order is late and ignored; there is no third.
    static bool IsCurrent<T>(BehaviorContext<RenderSaga, T> x) where T : class, IAboutOrder => IsExpected(x, true);
    static bool IsFrameCheck<T>(BehaviorContext<RenderSaga, T> x) where T : class, IAboutOrder => IsExpected(x, !x.Job().Assembling);
    static bool IsFilmCheck<T>(BehaviorContext<RenderSaga, T> x) where T : class, IAboutOrder => IsExpected(x, x.Job().Assembling);

    static bool IsExpected<T>(BehaviorContext<RenderSaga, T> x, bool here) where T : class, IAboutOrder =>
        !IsStale(x) && (here && x.Message.Order == x.Job().Order ? true : throw new UnhandledEventException(nameof(RenderPipeline), x.Event.Name, x.Saga.CurrentState));

    static bool IsHeld<T>(BehaviorContext<RenderSaga, T> x) where T : class => x.Job().Held;
    static bool IsFree<T>(BehaviorContext<RenderSaga, T> x) where T : class => !x.Job().Held;
    bool MayRepair<T>(BehaviorContext<RenderSaga, T> x) where T : class => x.Job().Repairs < _limits.Repairs;

    EventActivityBinder<RenderSaga, T> RepairAgain<T>(EventActivityBinder<RenderSaga, T> step) where T : class, IRejection => step
        .Record(x => new JobRepair(x.Message.JobId, x.Next(), 0, x.Message.MissingFrames, x.Message.CorruptFrames, x.Job().Repairs + 1, _limits.Repairs, x.Message.Reason))
        .AskRepair(_limits)
        .TransitionTo(Repair);

    EventActivityBinder<RenderSaga, T> GiveUp<T>(EventActivityBinder<RenderSaga, T> step) where T : class, IAboutOrder =>
        Fail(step, _ => "FRAMES_UNREPAIRABLE", _ => $"frames are still bad after {_limits.Repairs} repairs");

    EventActivityBinder<RenderSaga, T> Fail<T>(EventActivityBinder<RenderSaga, T> step, Func<BehaviorContext<RenderSaga, T>, string> code, Func<BehaviorContext<RenderSaga, T>, string> reason) where T : class, IAboutOrder => step
        .Record(x => new JobFailed(x.Message.JobId, x.Job().State, code(x), RefundIssued: true, reason(x)))
        .Ask(x => new StopWork(x.Message.JobId, x.Job().Order, x.Job().Reason))
        .Ask(x => new RefundCredits(x.Message.JobId, x.Job().TenantId, x.Job().Order, x.Job().Reason))
        .TransitionTo(Failed);

    void Listen<T>(Expression<Func<Event<T>>> @event, bool begins = false) where T : class, IAboutRender =>
        Event(@event, x =>
        {
            x.CorrelateById(m => m.Message.JobId.Value);
            x.InsertOnInitial = begins;
            if (begins) x.SetSagaFactory(m => new RenderSaga { CorrelationId = m.Message.JobId.Value });
            x.OnMissingInstance(m => m.Fault());
        });
}
