using System.Diagnostics;
using System.Diagnostics.Metrics;
using FlatRender.Contracts;
using FlatRender.Sagas;
using FlatRender.TestKit;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace FlatRender.EventStore.Tests;

/// <summary>The process that is killed. Arguments: database, schema, broker, role (pipeline, stock, relay), where to die ("append stop:7", or "-"), ids of renders to submit.</summary>
static class Child
{
    public static async Task<int> Main(string[] args)
    {
        var (database, schema, broker, role, end) = (args[0], args[1], args[2], args[3], args[4]);
        var ids = args[5..].Select(Guid.Parse).ToArray();
        await using var source = NpgsqlDataSource.Create(database);
        using var death = new Death(end);
        await using var house = await House.StartAsync(source, schema,
            // Where it is to die at the agenda, that is where its asks are sent from.
            store: o => (o.Patience, o.SendAtOnce) = (TimeSpan.FromSeconds(2), !end.Contains("agenda", StringComparison.Ordinal)),
            bus: x =>
            {
                if (role == "stock") x.AddSagaStateMachine<StockPipeline, RenderSaga>((context, saga) => saga.UseInMemoryOutbox(context)).InEventStore();
                if (role == "relay") return;
                x.AddConsumer<Farm>();
                x.AddConsumeObserver<ConsumeDeath>();
            },
            services: s =>
            {
                s.AddSingleton(death);
                Before<IFactTarget>(s, (target, death) => new TargetDeath(target, death));
                Before<IAgendaTarget>(s, (target, death) => new AgendaDeath(target, death));
            },
            rabbit: broker == "memory" ? null : broker, pipeline: role == "pipeline");
        death.Arm();
        Console.WriteLine("started");
        if (role == "relay") await Task.Delay(Timeout.Infinite);

        // Whoever submits is told when it is stored, and submits again if not: as a client does with its Idempotency-Key.
        await RenderAsync(ids);
        // Who is to die does not leave before: how often a point is passed depends on how much is done at once there, and further renders pass it as often as it takes. They are named: whoever looks for what was lost looks for them too.
        while (end != "-")
        {
            var more = Ids.New();
            Console.WriteLine(more);
            await RenderAsync([more]);
        }
        Console.WriteLine("done");
        return 0;

        async Task RenderAsync(Guid[] renders)
        {
            foreach (var id in renders) await house.Bus.Publish(House.Submit(id));
            await Eventually.So(async () => (await house.Streams.MemoriesAsync<RenderJob>([Step.Done], CancellationToken.None)).Count(j => renders.Contains(j.Id)) == renders.Length, "all renders are done", role == "stock" ? 6 : 240);
        }
    }

    static void Before<T>(IServiceCollection services, Func<T, Death, T> with) where T : class
    {
        var target = services.Last(d => d.ServiceType == typeof(T)).ImplementationType!;
        services.AddSingleton(target).AddSingleton(p => with((T)p.GetRequiredService(target), p.GetRequiredService<Death>()));
    }
}

/// <summary>Kills this process at the nth passing of a point.</summary>
sealed class Death : IDisposable
{
    readonly string _point;
    readonly ActivityListener _listener;
    readonly MeterListener _counts;
    int _left;
    volatile bool _armed;

    public Death(string where)
    {
        var at = where.LastIndexOf(':');
        _point = at < 0 ? where : where[..at];
        _left = at < 0 ? 0 : int.Parse(where[(at + 1)..]);
        // Npgsql tells of each statement when its result has been read; the store counts a batch just before it is sent.
        _listener = new ActivityListener
        {
            ShouldListenTo = s => s.Name == "Npgsql",
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = a => At($"{Statement(a)} stop"),
        };
        if (_point != "-") ActivitySource.AddActivityListener(_listener);
        _counts = new MeterListener { InstrumentPublished = (i, l) => { if (i.Name == "flatrender_store_batches") l.EnableMeasurementEvents(i); } };
        _counts.SetMeasurementEventCallback<long>((_, _, _, _) => At("append start"));
        _counts.Start();
    }

    public void Arm() => _armed = true;

    public void At(string point)
    {
        if (_armed && point == _point && Interlocked.Decrement(ref _left) == 0) System.Diagnostics.Process.GetCurrentProcess().Kill();
    }

    static string Statement(Activity a) => ((a.GetTagItem("db.query.text") ?? a.GetTagItem("db.statement")) as string) switch
    {
        { } sql when sql.Contains(".append(", StringComparison.Ordinal) => "append",
        { } sql when sql.Contains("mt_doc_renderjob d ON", StringComparison.Ordinal) => "load",
        { } sql when sql.Contains("SKIP LOCKED", StringComparison.Ordinal) => "take agenda",
        { } sql when sql.Contains("DELETE FROM", StringComparison.Ordinal) => "delete agenda",
        { } sql when sql.Contains("INSERT INTO", StringComparison.Ordinal) && sql.Contains("mt_event_progression", StringComparison.Ordinal) => "save position",
        _ => "",
    };

    public void Dispose()
    {
        _listener.Dispose();
        _counts.Dispose();
    }
}

sealed class ConsumeDeath(Death death) : IConsumeObserver
{
    public Task PreConsume<T>(ConsumeContext<T> context) where T : class => At("receive");
    public Task PostConsume<T>(ConsumeContext<T> context) where T : class => At("acknowledge");
    public Task ConsumeFault<T>(ConsumeContext<T> context, Exception exception) where T : class => Task.CompletedTask;

    Task At(string point)
    {
        death.At(point);
        return Task.CompletedTask;
    }
}

sealed class AgendaDeath(IAgendaTarget target, Death death) : IAgendaTarget
{
    InFlight? IAgendaTarget.InFlight => target.InFlight;

    public Task ReadyAsync(CancellationToken cancel) => target.ReadyAsync(cancel);

    public async Task SendAsync(Sending sending, object? message, CancellationToken cancel)
    {
        await target.SendAsync(sending, message, cancel);
        if (sending.Type is "ask.plan_frames" or "ask.validate_frames" or "ask.assemble_film") death.At("ask confirmed");
    }
}

sealed class TargetDeath(IFactTarget target, Death death) : IFactTarget
{
    public Task ReadyAsync(CancellationToken cancel) => target.ReadyAsync(cancel);

    public async Task PublishAsync(IReadOnlyList<RecordedEvent> facts, CancellationToken cancel)
    {
        death.At("publish facts");
        await target.PublishAsync(facts, cancel);
        death.At("facts confirmed");
    }
}

/// <summary>The same road as the pipeline's, the way it is usually built: commit first, then publish what comes next from memory.</summary>
sealed class StockPipeline : ShortRoad<RenderSaga>
{
    public StockPipeline()
    {
        InstanceState(x => x.CurrentState);
        Initially(When(SubmitRender)
            .Record(x => new JobQueued(x.Message.JobId, x.Message.TenantId, x.Message.OwnerId, x.Message.Title, x.Message.TemplateDigest, x.Message.Film, x.Message.Priority, [], 1, "submitted"))
            .Publish(x => new PlanFrames(x.Message.JobId, 1, x.Message.TenantId, x.Message.TemplateDigest, x.Message.Film, 50))
            .TransitionTo(Queued));
        During(Queued, Ignore(WorkStarted), When(FramesRendered)
            .Record(x => new JobRendering(x.Message.JobId, 1, 0, null, x.Now(), "in"))
            .Record(x => new JobValidating(x.Message.JobId, 2, 0, 1, "in"))
            .Publish(x => new ValidateFrames(x.Message.JobId, 2))
            .TransitionTo(Validating));
        During(Validating, When(FramesAccepted)
            .Record(x => new JobFramesAccepted(x.Message.JobId, 3, 0, "accepted"))
            .Publish(x => new AssembleFilm(x.Message.JobId, 3)),
            When(FilmAccepted).Record(x => new JobDone(x.Message.JobId, x.Message.Film, "done")).TransitionTo(Done));
        // As every machine that may get a message twice.
        During(Queued, Validating, Done, Ignore(SubmitRender));
        During(Validating, Done, Ignore(WorkStarted), Ignore(FramesRendered));
        During(Done, Ignore(FramesAccepted), Ignore(FilmAccepted));
    }

    public State Queued { get; private set; } = null!;
    public State Validating { get; private set; } = null!;
    public State Done { get; private set; } = null!;
}
