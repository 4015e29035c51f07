using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.Foundation;
using FlatRender.Gateway;
using FlatRender.Gateway.Sockets;
using FlatRender.Studio;
using FlatRender.TestKit;
using MassTransit;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace FlatRender.Sockets.Tests;

/// <summary>A gateway of its own, with its store and bus, at a real address; the sockets' time is moved by hand.</summary>
public sealed class Gate : IAsyncDisposable
{
    public const string Token = "the-owners-token-of-these-tests";

    readonly WebApplication _app;
    readonly OwnDatabase? _database;

    Gate(WebApplication app, OwnDatabase? database, HandTimers clock, Captured log) => (_app, _database, Clock, Log) = (app, database, clock, log);

    public HandTimers Clock { get; }
    public Captured Log { get; }
    public T Get<T>() where T : notnull => _app.Services.GetRequiredService<T>();
    public Asked Asked => Get<Asked>();
    public LiveHub Hub => Get<LiveHub>();
    public Uri Address => new(_app.Urls.Single().Replace("http://", "ws://", StringComparison.Ordinal));

    public static async Task<Gate> OpenAsync(LiveLimits? limits = null, bool relay = true, bool loud = false)
    {
        var database = await OwnDatabase.CreateAsync();
        await Migration.ApplyAsync(database.Source, "eventstore", CancellationToken.None);
        return await OpenAsync(database.Source, database, "memory", limits, relay, loud, more: new StudioService());
    }

    /// <param name="owned">Dropped with this gate.</param>
    /// <param name="more">Rooms that are open in the same process.</param>
    public static async Task<Gate> OpenAsync(NpgsqlDataSource source, OwnDatabase? owned, string broker, LiveLimits? limits = null, bool relay = true, bool loud = false, params Service[] more)
    {
        var (clock, log) = (new HandTimers(), new Captured());
        Service[] services = [new GatewayService(), .. more];
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders().SetMinimumLevel(loud ? LogLevel.Trace : LogLevel.Information).AddProvider(log);
        var secrets = new Secrets(Token, "the-nodes-token-of-these-tests", "the-orchestrators-secret");
        builder.Services.AddSingleton(TimeProvider.System).AddSingleton(source).AddSingleton(Vocabulary.All).AddSingleton(secrets)
            .AddSingleton(new Deployment(AppContext.BaseDirectory, "", broker, secrets)).AddSingleton(new Blobs(Path.GetTempPath()))
            .AddTokenAccess().AddEventStore(store => (store.Broker, store.Relay) = (broker, relay));
        foreach (var service in services) service.Register(builder.Services);
        builder.Services.AddSingleton<Asked>();
        if (limits is not null) builder.Services.AddSingleton(limits);
        builder.Services.AddSingleton(s => new LiveHub(s.GetRequiredService<Streams>(), s.GetRequiredService<LiveProgress>(), s.GetRequiredService<LiveSnapshots>(), Vocabulary.All, s.GetRequiredService<LiveLimits>(), clock, s.GetRequiredService<ILogger<LiveHub>>()));
        builder.Services.AddMassTransit(bus =>
        {
            foreach (var service in services) service.Consume(bus);
            bus.AddConsumer<Asked.Hears>();
            if (broker == "memory") bus.UsingInMemory((context, transport) =>
            {
                transport.ConfigureJsonSerializerOptions(Wire.Configure);
                transport.ConfigureEndpoints(context);
            });
            else bus.UsingRabbitMq((context, transport) =>
            {
                transport.Host(new Uri(broker.Replace("amqp://", "rabbitmq://", StringComparison.Ordinal)), host => host.OutliveCuts());
                transport.UnderstandFacts();
                transport.OutliveCuts();
                transport.ConfigureJsonSerializerOptions(Wire.Configure);
                transport.ConfigureEndpoints(context);
            });
        });
        builder.Services.Configure<MassTransitHostOptions>(o => o.WaitUntilStarted = true);
        var app = builder.Build();
        app.UseEnvelope();
        app.UseAuthentication();
        app.UseAuthorization();
        foreach (var service in services) service.Map(app);
        await app.StartAsync();
        return new Gate(app, owned, clock, log);
    }

    /// <summary>A render of the owner, so many frames long, queued.</summary>
    public async Task<JobId> QueuedAsync(int frames = 720, TenantId? tenant = null)
    {
        var id = new JobId(Ids.New());
        await Get<Streams>().AppendAsync(id.Value, "render_job", 0, [new JobQueued(id, tenant ?? Caller.Owner.TenantId, Caller.Owner.UserId, "A film", new string('a', 64), new FilmSpec(640, 360, frames, 24, 1, "#000000", new Rect(0, 0, 640, 360), "1/1"), 50, [], 1, "submitted")], "test", CancellationToken.None);
        return id;
    }

    /// <summary>What happens to it next.</summary>
    public async Task HappensAsync(JobId id, params object[] facts)
    {
        var streams = Get<Streams>();
        await streams.AppendAsync(id.Value, "render_job", await streams.VersionAsync(id.Value, CancellationToken.None), facts, "test", CancellationToken.None);
    }

    public Task<Client> ConnectAsync(JobId id, string? token = Token) => Client.ConnectAsync(new Uri(Address, $"/ws/v1/render/{id}{(token is null ? "" : $"?token={token}")}"));

    /// <summary>Connects, and takes the hello.</summary>
    public async Task<Client> WatchAsync(JobId id)
    {
        var client = await ConnectAsync(id);
        (await client.NextAsync()).GetProperty("type").GetString().ShouldBe("hello");
        return client;
    }

    /// <summary>Says it, and waits until the gateway has heard it.</summary>
    /// <param name="unless">The socket may have closed meanwhile; null: it has not.</param>
    public async Task SayAsync(Client client, object message, Func<bool>? unless = null)
    {
        var before = Hub.Tally.Heard;
        try
        {
            await client.SayAsync(message);
        }
        catch (System.Net.WebSockets.WebSocketException) when (unless is not null)
        {
            await Until.SoAsync("it has closed", () => Task.FromResult(unless()));
        }

        await Until.SoAsync("the gateway has heard it", () => Task.FromResult(Hub.Tally.Heard > before || unless?.Invoke() == true));
    }

    /// <summary>
    /// Waits for it while time goes on, step by step and ever more slowly: a timer that was set while the clock moved rings later than meant. Without more words not so
    /// far that a socket is cut which was told good-bye.
    /// </summary>
    public async Task<T> MeanwhileAsync<T>(Task<T> what, TimeSpan? step = null, int steps = 30)
    {
        using var look = new PeriodicTimer(TimeSpan.FromMilliseconds(5));
        for (; steps > 0 && !what.IsCompleted; steps--, look.Period += TimeSpan.FromMilliseconds(5))
        {
            Clock.Advance(step ?? TimeSpan.FromMilliseconds(100));
            await look.WaitForNextTickAsync();
        }

        return await what;
    }

    /// <summary>Nothing more comes to any of them but the close, with this code, when time has gone on.</summary>
    public Task EndAsync(int code, params Client[] clients) => MeanwhileAsync(Task.WhenAll(clients.Select(c => c.EndsAsync(code))));

    public Task MeanwhileAsync(Task what) => MeanwhileAsync(EndedAsync(what));

    static async Task<bool> EndedAsync(Task all)
    {
        await all;
        return true;
    }

    public Task StopAsync() => _app.StopAsync();

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        if (_database is not null) await _database.DisposeAsync();
    }
}

/// <summary>What the gateway asked of the pipeline.</summary>
public sealed class Asked
{
    readonly System.Threading.Channels.Channel<CancelRender> _asked = System.Threading.Channels.Channel.CreateUnbounded<CancelRender>();

    public async Task<CancelRender> NextAsync()
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        return await _asked.Reader.ReadAsync(patience.Token);
    }

    public sealed class Hears(Asked asked) : IConsumer<CancelRender>
    {
        public Task Consume(ConsumeContext<CancelRender> context) => asked._asked.Writer.WriteAsync(context.Message).AsTask();
    }
}

/// <summary>Everything that was logged.</summary>
public sealed class Captured : ILoggerProvider, ILogger
{
    readonly System.Collections.Concurrent.ConcurrentQueue<string> _lines = new();

    public IEnumerable<string> Lines => _lines;
    public void Clear() => _lines.Clear();

    public ILogger CreateLogger(string categoryName) => this;
    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;
    public bool IsEnabled(LogLevel level) => true;
    public void Log<TState>(LogLevel level, EventId id, TState state, Exception? exception, Func<TState, Exception?, string> format) => _lines.Enqueue($"{level} {format(state, exception)} {exception}");

    public void Dispose()
    {
    }
}
