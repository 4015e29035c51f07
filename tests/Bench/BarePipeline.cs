using FlatRender.Contracts;
using FlatRender.TestKit;
using MassTransit;

namespace FlatRender.Bench;

/// <summary>Where a render of <see cref="BarePipeline"/> stands.</summary>
sealed class BareSaga : SagaStateMachineInstance
{
    public Guid CorrelationId { get; set; }
    public string CurrentState { get; set; } = "";
    public TenantId Tenant { get; set; }
}

/// <summary>
/// The limit: the same steps, asks and facts as a render that goes well, by MassTransit alone. Its memory is a dictionary, its facts are published and forgotten: what is left is what
/// the bus and the machine cost, whatever store stands behind them.
/// </summary>
sealed class BarePipeline : ShortRoad<BareSaga>
{
    public BarePipeline(Watch watch)
    {
        InstanceState(x => x.CurrentState);

        Initially(
            Say(When(SubmitRender).Then(x => x.Saga.Tenant = x.Message.TenantId), m => new JobQueued(m.JobId, m.TenantId, m.OwnerId, m.Title, m.TemplateDigest, m.Film, m.Priority, m.Warnings, 1, "submitted"))
                .Publish(x => new PlanFrames(x.Message.JobId, 1, x.Message.TenantId, x.Message.TemplateDigest, x.Message.Film, x.Message.Priority))
                .TransitionTo(Queued));

        During(Queued,
            Say(When(WorkStarted), m => new JobRendering(m.JobId, 1, 0, m.NodeId, DateTimeOffset.UnixEpoch, "a node took the first chunk"))
                .TransitionTo(Rendering),
            Say(Say(When(FramesRendered), m => new JobRendering(m.JobId, 1, 0, null, DateTimeOffset.UnixEpoch, "the first chunk is in")), m => new JobValidating(m.JobId, 2, 0, m.ComputeSeconds, "all chunks are in"))
                .Publish(x => new ValidateFrames(x.Message.JobId, 2))
                .TransitionTo(Validating));

        During(Rendering,
            Say(When(FramesRendered), m => new JobValidating(m.JobId, 2, 0, m.ComputeSeconds, "all chunks are in"))
                .Publish(x => new ValidateFrames(x.Message.JobId, 2))
                .TransitionTo(Validating));

        During(Validating,
            Say(When(FramesAccepted), m => new JobFramesAccepted(m.JobId, 3, 0, "every frame is as it was drawn"))
                .Publish(x => new AssembleFilm(x.Message.JobId, 3)),
            Say(When(FilmAccepted), m => new JobDone(m.JobId, m.Film, "the film is whole and every frame of it checked"))
                .Publish(x => new CaptureCredits(x.Message.JobId, x.Saga.Tenant, 3))
                .Finalize(),
            Ignore(WorkStarted));
        SetCompletedWhenFinalized();

        EventActivityBinder<BareSaga, T> Say<T, TFact>(EventActivityBinder<BareSaga, T> step, Func<T, TFact> fact) where T : class where TFact : class => step
            .Publish(x => fact(x.Message))
            .Then(_ => watch.Step());
    }

    public State Queued { get; private set; } = null!;
    public State Rendering { get; private set; } = null!;
    public State Validating { get; private set; } = null!;
}
