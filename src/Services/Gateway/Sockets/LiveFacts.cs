using FlatRender.Contracts;
using FlatRender.EventStore;
using MassTransit;

namespace FlatRender.Gateway.Sockets;

/// <summary>What this gateway hears of renders, whichever process it happened in. Every gateway hears everything: the queue is its own, and goes with it.</summary>
public sealed class LiveFacts(LiveHub hub, LiveProgress live, LiveSnapshots snapshots) :
    IConsumer<NodeCrashed>, IConsumer<ChunkExpired>,
    IConsumer<JobRequeued>, IConsumer<JobRendering>, IConsumer<JobValidating>, IConsumer<JobFramesAccepted>, IConsumer<JobRepair>,
    IConsumer<JobDone>, IConsumer<JobFailed>, IConsumer<JobCancelled>, IConsumer<JobHeld>, IConsumer<JobReleased>,
    IConsumer<SnapshotTaken>
{
    public Task Consume(ConsumeContext<NodeCrashed> context)
    {
        hub.Troubled(context.Message.JobId, "node_crashed", context.Message.NodeId, context.Message.Reason);
        return Task.CompletedTask;
    }

    public Task Consume(ConsumeContext<ChunkExpired> context)
    {
        hub.Troubled(context.Message.JobId, "node_lost", context.Message.NodeId, context.Message.Reason);
        return Task.CompletedTask;
    }

    public Task Consume(ConsumeContext<JobRequeued> context) => StirAsync(context);
    public Task Consume(ConsumeContext<JobRendering> context) => StirAsync(context);
    public Task Consume(ConsumeContext<JobValidating> context) => StirAsync(context);
    public Task Consume(ConsumeContext<JobFramesAccepted> context) => StirAsync(context);
    public Task Consume(ConsumeContext<JobRepair> context) => StirAsync(context);
    public Task Consume(ConsumeContext<JobDone> context) => EndAsync(context);
    public Task Consume(ConsumeContext<JobFailed> context) => EndAsync(context);
    public Task Consume(ConsumeContext<JobCancelled> context) => EndAsync(context);
    public Task Consume(ConsumeContext<JobHeld> context) => StirAsync(context);
    public Task Consume(ConsumeContext<JobReleased> context) => StirAsync(context);
    public Task Consume(ConsumeContext<SnapshotTaken> context) => snapshots.StirAsync(context.Message.ProjectId, context.CancellationToken);

    Task StirAsync<T>(ConsumeContext<T> context) where T : class, IAboutRender
    {
        hub.Stir(context.Message.JobId);
        return Task.CompletedTask;
    }

    Task EndAsync<T>(ConsumeContext<T> context) where T : class, IAboutRender
    {
        live.Forget(context.Message.JobId);
        return StirAsync(context);
    }
}

/// <summary>How far renders are. In a queue of its own: there is much of it, and no fact waits behind it.</summary>
public sealed class LiveProgressFeed(LiveHub hub) : IConsumer<RenderBulletin>
{
    public Task Consume(ConsumeContext<RenderBulletin> context)
    {
        foreach (var render in context.Message.Renders) hub.Progressed(render);
        return Task.CompletedTask;
    }
}

/// <summary>A queue of this process alone, with as many messages in hand as keep it busy, worked off one by one: progress must not overtake progress.</summary>
public abstract class LiveQueue<T> : ConsumerDefinition<T> where T : class, IConsumer
{
    protected LiveQueue(string name) => Endpoint(e =>
    {
        e.Name = $"{name}-{Ids.New():N}";
        e.Temporary = true;
        e.ConcurrentMessageLimit = 1;
        e.PrefetchCount = 200;
    });

    protected abstract void Bind(IRabbitMqReceiveEndpointConfigurator queue);

    protected override void ConfigureConsumer(IReceiveEndpointConfigurator endpoint, IConsumerConfigurator<T> consumer, IRegistrationContext context)
    {
        // A message that cannot be read here is lost to the sockets and to nobody else; the next look at the store makes it good.
        endpoint.DiscardFaultedMessages();
        endpoint.DiscardSkippedMessages();
        if (endpoint is not IRabbitMqReceiveEndpointConfigurator queue) return;
        queue.Exclusive = true;
        queue.AutoDelete = true;
        queue.ConfigureConsumeTopology = false;
        Bind(queue);
    }
}

/// <summary>Facts of renders, nodes and snapshots.</summary>
public sealed class LiveFactsQueue() : LiveQueue<LiveFacts>("live")
{
    protected override void Bind(IRabbitMqReceiveEndpointConfigurator queue)
    {
        foreach (var topic in (string[])["render.#", "node.#", "studio.snapshot.#"])
            queue.Bind(RabbitTarget.Exchange, b => (b.ExchangeType, b.RoutingKey, b.Durable) = ("topic", topic, true));
    }
}

/// <summary>Progress.</summary>
public sealed class LiveProgressQueue() : LiveQueue<LiveProgressFeed>("live-progress")
{
    protected override void Bind(IRabbitMqReceiveEndpointConfigurator queue) => queue.Bind<RenderBulletin>();
}
