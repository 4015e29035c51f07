using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.Gateway;
using FlatRender.Sagas;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace FlatRender.Bench;

/// <summary>A process of FlatRender: store, pipeline, bus, and a farm that does every work at once.</summary>
sealed class House : IAsyncDisposable
{
    /// <summary>Messages handled at the same time, each render in a lane of its own.</summary>
    public const int Lanes = 128;

    readonly IHost _host;

    House(IHost host) => _host = host;

    public T Get<T>() where T : notnull => _host.Services.GetRequiredService<T>();

    /// <param name="broker">memory, or RabbitMQ's address.</param>
    /// <param name="relay">Whether facts and asks are sent on.</param>
    /// <param name="shared">Over RabbitMQ: the beginning of the names of quorum queues that several houses share; null: queues as they come.</param>
    public static Task<House> OpenAsync(NpgsqlDataSource source, string broker, bool relay, Watch watch, bool projections = false, string? shared = null) => OpenAsync(
        broker,
        services =>
        {
            services.AddSingleton(source).AddSingleton(Vocabulary.All).AddSingleton(RenderLimits.Default).AddSingleton(watch);
            services.AddSingleton(LegalPath.Kind).AddSingleton<Audit>();
            services.AddEventStore(o => (o.Broker, o.Relay) = (broker, relay));
            if (projections) services.AddProjection<JobViews>();
        },
        bus =>
        {
            bus.AddSagaStateMachine<RenderPipeline, RenderSaga, OwnLanes<RenderSaga>>().InEventStore();
            if (shared is null) return;
            bus.SetEndpointNameFormatter(new KebabCaseEndpointNameFormatter(shared, false));
            bus.AddConfigureEndpointsCallback((_, endpoint) => ((IRabbitMqReceiveEndpointConfigurator)endpoint).SetQuorumQueue());
        },
        queuesStay: shared is not null);

    /// <summary>The same without a store.</summary>
    public static Task<House> OpenBareAsync(string broker, Watch watch) => OpenAsync(
        broker,
        services => services.AddSingleton(watch),
        bus => bus.AddSagaStateMachine<BarePipeline, BareSaga, OwnLanes<BareSaga>>().InMemoryRepository());

    static async Task<House> OpenAsync(string broker, Action<IServiceCollection> furnish, Action<IBusRegistrationConfigurator> populate, bool queuesStay = false)
    {
        var builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Logging.ClearProviders();
        furnish(builder.Services);
        builder.Services.AddMassTransit(bus =>
        {
            populate(bus);
            bus.AddConsumer<Farm>();
            bus.AddConsumer<Watcher>();
            if (broker == "memory") bus.UsingInMemory((context, transport) =>
            {
                Widen(transport);
                transport.ConfigureEndpoints(context);
            });
            else bus.UsingRabbitMq((context, transport) =>
            {
                transport.Host(new Uri("rabbitmq" + broker[broker.IndexOf(':')..]), host => host.OutliveCuts());
                transport.UnderstandFacts();
                transport.OutliveCuts();
                Widen(transport);
                transport.ConfigureEndpoints(context);
            });
            // A queue that outlived its house would go on being filled, to the next one's cost.
            if (broker != "memory" && !queuesStay) bus.AddConfigureEndpointsCallback((_, endpoint) => ((IRabbitMqReceiveEndpointConfigurator)endpoint).AutoDelete = true);
        });
        builder.Services.Configure<MassTransitHostOptions>(o => o.WaitUntilStarted = true);
        var host = builder.Build();
        await host.StartAsync();
        return new House(host);
    }

    static void Widen(IBusFactoryConfigurator transport)
    {
        transport.ConfigureJsonSerializerOptions(Wire.Configure);
        transport.PrefetchCount = Lanes * 2;
        transport.ConcurrentMessageLimit = Lanes;
    }

    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync();
        if (_host is IAsyncDisposable disposable) await disposable.DisposeAsync();
    }

    sealed class OwnLanes<TSaga> : SagaDefinition<TSaga> where TSaga : class, ISaga
    {
        protected override void ConfigureSaga(IReceiveEndpointConfigurator endpoint, ISagaConfigurator<TSaga> saga, IRegistrationContext context)
        {
            var lanes = saga.CreatePartitioner(Lanes);
            Lane<SubmitRender>();
            Lane<WorkStarted>();
            Lane<FramesRendered>();
            Lane<FramesAccepted>();
            Lane<FilmAccepted>();

            void Lane<T>() where T : class, IAboutRender => saga.Message<T>(m => m.UsePartitioner(lanes, x => x.Message.JobId.Value));
        }
    }

    sealed class Farm(Watch watch) : IConsumer<PlanFrames>, IConsumer<ValidateFrames>, IConsumer<AssembleFilm>, IConsumer<CaptureCredits>
    {
        public async Task Consume(ConsumeContext<PlanFrames> x)
        {
            await x.Publish(new WorkStarted(x.Message.JobId, x.Message.Order, Lives.Node));
            await x.Publish(new FramesRendered(x.Message.JobId, x.Message.Order, 1.5));
        }

        public Task Consume(ConsumeContext<ValidateFrames> x) => x.Publish(new FramesAccepted(x.Message.JobId, x.Message.Order));
        public Task Consume(ConsumeContext<AssembleFilm> x) => x.Publish(new FilmAccepted(x.Message.JobId, x.Message.Order, Lives.Film));

        // One film done, one begun: so many are always in flight.
        public Task Consume(ConsumeContext<CaptureCredits> x) => watch.Closed ? Task.CompletedTask : x.Publish(Lives.Submission(new JobId(Ids.New())));
    }

    sealed class Watcher(Watch watch, TimeProvider clock) : IConsumer<JobHeld>
    {
        public Task Consume(ConsumeContext<JobHeld> x)
        {
            watch.Seen(x.Message.JobId.Value, clock.GetTimestamp());
            return Task.CompletedTask;
        }
    }
}

/// <summary>What the consumers of the house tell the benchmark.</summary>
sealed class Watch
{
    volatile TaskCompletionSource<long> _next = new();
    Guid _expected;

    long _steps;

    /// <summary>Steps of a pipeline that stores none.</summary>
    public long Steps => Volatile.Read(ref _steps);

    public void Step() => Interlocked.Increment(ref _steps);

    /// <summary>No more films are begun.</summary>
    public volatile bool Closed;

    /// <summary>When the next fact of this stream reaches its consumer.</summary>
    public Task<long> Expect(Guid stream)
    {
        var next = new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously);
        _expected = stream;
        _next = next;
        return next.Task;
    }

    public void Seen(Guid stream, long at)
    {
        if (stream == _expected) _next.TrySetResult(at);
    }
}
