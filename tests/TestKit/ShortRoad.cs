using FlatRender.Contracts;
using MassTransit;

namespace FlatRender.TestKit;

/// <summary>What a machine hears of a render that goes well. Beside the pipeline stand machines that go the same road another way. States are each machine's own: MassTransit does not set those of a base class.</summary>
public abstract class ShortRoad<TSaga> : MassTransitStateMachine<TSaga> where TSaga : class, SagaStateMachineInstance
{
    protected ShortRoad()
    {
        Event(() => SubmitRender, x => x.CorrelateById(m => m.Message.JobId.Value));
        Event(() => WorkStarted, x => x.CorrelateById(m => m.Message.JobId.Value));
        Event(() => FramesRendered, x => x.CorrelateById(m => m.Message.JobId.Value));
        Event(() => FramesAccepted, x => x.CorrelateById(m => m.Message.JobId.Value));
        Event(() => FilmAccepted, x => x.CorrelateById(m => m.Message.JobId.Value));
    }

    public Event<SubmitRender> SubmitRender { get; private set; } = null!;
    public Event<WorkStarted> WorkStarted { get; private set; } = null!;
    public Event<FramesRendered> FramesRendered { get; private set; } = null!;
    public Event<FramesAccepted> FramesAccepted { get; private set; } = null!;
    public Event<FilmAccepted> FilmAccepted { get; private set; } = null!;
}
