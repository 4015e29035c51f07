using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.Foundation;
using FlatRender.Sagas;
using MassTransit;

namespace FlatRender.Host;

/// <summary>The bus: in memory in one process, RabbitMQ between many.</summary>
static class Bus
{
    /// <summary>Messages of one render go through one lane, in the order they came; this many lanes.</summary>
    const int Lanes = 16;

    /// <summary>Where the database is away, a message waits in this process; the broker gives it to another should this one die.</summary>
    static readonly TimeSpan UntilBack = TimeSpan.FromSeconds(2);

    /// <summary>Five hours of that; after them the message is set aside with the dead letters.</summary>
    const int LooksForIt = 9_000;

    public static void Configure(IBusRegistrationConfigurator bus, ServeOptions options)
    {
        bus.SetKebabCaseEndpointNameFormatter();
        // Nothing of ours calls anybody at run time.
        bus.DisableUsageTelemetry();
        foreach (var service in options.Services) service.Consume(bus);
        if (options.Pipeline)
        {
            bus.AddSingleton(RenderLimits.Default);
            bus.AddSagaStateMachine<RenderPipeline, RenderSaga, PipelineLanes>().InEventStore();
        }

        bus.AddConfigureEndpointsCallback((_, _, endpoint) => endpoint.UseMessageRetry(retry =>
        {
            retry.Handle<Exception>(Away.IsDatabase);
            retry.Interval(LooksForIt, UntilBack);
        }));
        if (options.Deployment.InMemory)
            bus.UsingInMemory((context, transport) =>
            {
                transport.ConfigureJsonSerializerOptions(Wire.Configure);
                transport.ConfigureEndpoints(context);
            });
        else
            RabbitBus.Configure(bus, options);
    }

    /// <summary>How the pipeline's queue is worked off.</summary>
    sealed class PipelineLanes : SagaDefinition<RenderSaga>
    {
        protected override void ConfigureSaga(IReceiveEndpointConfigurator endpoint, ISagaConfigurator<RenderSaga> saga, IRegistrationContext context)
        {
            // Two writers of one render (another process, a support verb) meet at the version check: the loser reads again and decides anew.
            endpoint.UseMessageRetry(retry => retry.Intervals(10, 50, 200, 1000, 5000));
            var lanes = saga.CreatePartitioner(Lanes);
            Lane<SubmitRender>();
            Lane<CancelRender>();
            Lane<RetryRender>();
            Lane<HoldRender>();
            Lane<ReleaseRender>();
            Lane<WorkStarted>();
            Lane<FramesRendered>();
            Lane<FramesAccepted>();
            Lane<FramesRejected>();
            Lane<FilmAccepted>();
            Lane<FilmRejected>();
            Lane<RendererFailed>();
            Lane<QueueOverdue>();
            Lane<RenderingStalled>();
            Lane<ValidationOverdue>();
            Lane<RepairStalled>();

            void Lane<T>() where T : class, IAboutRender => saga.Message<T>(m => m.UsePartitioner(lanes, x => x.Message.JobId.Value));
        }
    }
}
