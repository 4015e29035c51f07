using System.Collections.Concurrent;
using FlatRender.Contracts;
using FlatRender.Sagas;
using FlatRender.TestKit;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace FlatRender.EventStore.Tests;

/// <summary>A process of FlatRender in miniature: store, pipeline, bus, and a farm that does all work at once.</summary>
sealed class House : IAsyncDisposable
{
    /// <summary>Specs whose houses meet at one broker run one after the other: each hears what is submitted there, and would work on the others' renders.</summary>
    public const string OneBroker = "one broker";

    readonly IHost _host;

    House(IHost host) => _host = host;

    public IServiceProvider Services => _host.Services;
    public IBus Bus => Get<IBus>();
    public Streams Streams => Get<Streams>();
    public Tally Tally => Get<Tally>();
    public T Get<T>() where T : notnull => _host.Services.GetRequiredService<T>();

    public static readonly RenderLimits Limits = new(new(TimeSpan.FromMinutes(10), 2), new(TimeSpan.FromMinutes(10), 2), new(TimeSpan.FromMinutes(5), 2), new(TimeSpan.FromMinutes(5), 2), 3);
    public static readonly FilmSpec Film = new(640, 360, 48, 24, 1, "#000000", new Rect(0, 0, 640, 360), "1/1");

    public static SubmitRender Submit(Guid id) => new(new JobId(id), new TenantId(Ids.New()), new UserId(Ids.New()), "A film", new string('a', 64), Film, 50, []);

    public static Task<House> StartAsync(
        TestDatabase database, Action<EventStoreOptions>? store = null, Action<IBusRegistrationConfigurator>? bus = null, Action<IServiceCollection>? services = null, string? rabbit = null,
        bool pipeline = true) => StartAsync(database.Source, database.Schema, store, bus, services, rabbit, pipeline);

    public static async Task<House> StartAsync(
        NpgsqlDataSource source, string schema, Action<EventStoreOptions>? store = null, Action<IBusRegistrationConfigurator>? bus = null, Action<IServiceCollection>? services = null,
        string? rabbit = null, bool pipeline = true)
    {
        var builder = Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton(Limits);
        builder.Services.AddEventStore(o =>
        {
            (o.DataSource, o.Schema) = (source, schema);
            if (rabbit is not null) o.Broker = rabbit;
            store?.Invoke(o);
        });
        builder.Services.AddMassTransit(x =>
        {
            if (pipeline) x.AddSagaStateMachine<RenderPipeline, RenderSaga>().InEventStore();
            bus?.Invoke(x);
            // As in the product, a message waits for its database.
            x.AddConfigureEndpointsCallback((_, _, endpoint) => endpoint.UseMessageRetry(retry =>
            {
                retry.Handle<NpgsqlException>();
                retry.Interval(120, TimeSpan.FromSeconds(1));
            }));
            if (rabbit is null) x.UsingInMemory((context, transport) => transport.ConfigureEndpoints(context));
            else
            {
                // Queues of this house alone, gone with it: tests share one broker.
                x.SetEndpointNameFormatter(new KebabCaseEndpointNameFormatter(schema, false));
                x.AddConfigureEndpointsCallback((_, endpoint) => ((IRabbitMqReceiveEndpointConfigurator)endpoint).QueueExpiration = TimeSpan.FromMinutes(30));
                x.UsingRabbitMq((context, transport) =>
                {
                    transport.Host(new Uri(rabbit.Replace("amqp://", "rabbitmq://")), host => host.OutliveCuts());
                    transport.ConfigureJsonSerializerOptions(Wire.Configure);
                    transport.UnderstandFacts();
                    transport.OutliveCuts();
                    transport.ConfigureEndpoints(context);
                });
            }
        });
        // Last, so that a test can put itself between the store and what it uses.
        services?.Invoke(builder.Services);
        builder.Services.Configure<MassTransitHostOptions>(o => o.WaitUntilStarted = true);
        var host = builder.Build();
        await host.StartAsync();
        return new House(host);
    }

    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync();
        if (_host is IAsyncDisposable disposable) await disposable.DisposeAsync();
    }
}

/// <summary>Answers each ask at once, as a farm would that never fails; its reports go by the agenda, as the farm's do.</summary>
sealed class Farm(Alongside history, EventStoreOptions store) : IConsumer<PlanFrames>, IConsumer<ResumeFrames>, IConsumer<ValidateFrames>, IConsumer<AssembleFilm>
{
    public Task Consume(ConsumeContext<PlanFrames> x) =>
        ReportAsync(x.Message.JobId, new WorkStarted(x.Message.JobId, x.Message.Order, new NodeId(Ids.New())), new FramesRendered(x.Message.JobId, x.Message.Order, 1.5));

    // What it reported may have been lost on the way: it reports again.
    public Task Consume(ConsumeContext<ResumeFrames> x) => ReportAsync(x.Message.JobId, new FramesRendered(x.Message.JobId, x.Message.Order, 1.5));

    public Task Consume(ConsumeContext<ValidateFrames> x) => ReportAsync(x.Message.JobId, new FramesAccepted(x.Message.JobId, x.Message.Order));

    public Task Consume(ConsumeContext<AssembleFilm> x) =>
        ReportAsync(x.Message.JobId, new FilmAccepted(x.Message.JobId, x.Message.Order, new FilmFile(new string('b', 64), 1000, new string('c', 64), 2, 48, 1.5)));

    async Task ReportAsync(JobId job, params object[] reports)
    {
        await using (var db = await store.DataSource.OpenConnectionAsync())
        {
            await using var transaction = await db.BeginTransactionAsync();
            await history.AskAsync(db, job.Value, reports, "farm", CancellationToken.None);
            await transaction.CommitAsync();
        }

        history.Asked();
    }
}

/// <summary>Waits for things to be so, by looking often; says what it was waiting for.</summary>
static class Eventually
{
    public static async Task So(Func<Task<bool>> isSo, string what, int seconds = 120)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(seconds));
        using var look = new PeriodicTimer(TimeSpan.FromMilliseconds(5));
        while (!await isSo())
        {
            if (patience.IsCancellationRequested) throw new TimeoutException($"Not so within {seconds} s: {what}");
            await look.WaitForNextTickAsync();
        }
    }
}
