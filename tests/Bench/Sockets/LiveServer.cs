using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.Foundation;
using FlatRender.Gateway;
using FlatRender.Gateway.Sockets;
using FlatRender.Render;
using MassTransit;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace FlatRender.Bench.Sockets;

/// <summary>The gateway as it is, with store, relay and bus in one process. Progress comes over the bus, as often as a farm tells it.</summary>
static class LiveServer
{
    /// <summary>Who watches one render, and how often the farm tells of it.</summary>
    public const int Watchers = 10, PerSecond = 2;

    const string Token = "the-owners-token-of-this-benchmark";

    public static async Task RunAsync(int sockets, int seconds, string database)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        var secrets = new Secrets(Token, "the-nodes-token-of-this-benchmark", "the-orchestrators-secret");
        var service = new GatewayService();
        // The crowd only reads; pings are sent, and nobody is sent away for not answering.
        builder.Services.AddSingleton(LiveLimits.Default with { Pong = TimeSpan.FromHours(1) });
        builder.Services.AddSingleton(TimeProvider.System).AddSingleton(NpgsqlDataSource.Create(database)).AddSingleton(Vocabulary.All).AddSingleton(secrets)
            .AddSingleton(new Deployment(AppContext.BaseDirectory, "", "memory", secrets)).AddSingleton(new Blobs(Path.GetTempPath())).AddTokenAccess().AddEventStore(_ => { });
        service.Register(builder.Services);
        builder.Services.AddMassTransit(bus =>
        {
            service.Consume(bus);
            bus.UsingInMemory((context, transport) =>
            {
                transport.ConfigureJsonSerializerOptions(Wire.Configure);
                transport.ConfigureEndpoints(context);
            });
        });
        builder.Services.Configure<MassTransitHostOptions>(o => o.WaitUntilStarted = true);
        await using var app = builder.Build();
        app.UseAuthentication();
        app.UseAuthorization();
        service.Map(app);
        await app.StartAsync();

        var streams = app.Services.GetRequiredService<Streams>();
        var jobs = Enumerable.Range(0, sockets / Watchers).Select(_ => new JobId(Ids.New())).ToArray();
        foreach (var job in jobs) await streams.AppendAsync(job.Value, "render_job", 0, [Queued(job), new JobRendering(job, 1, 0, null, DateTimeOffset.UnixEpoch, "began")], "bench", CancellationToken.None);
        var before = Measured.Memory();
        Console.WriteLine(string.Join(' ', jobs.Select(j => $"{app.Urls.Single()}/ws/v1/render/{j}?token={Token}")));
        await Part.HearAsync();

        var stop = new CancellationTokenSource();
        var farm = Task.Run(() => TellAsync(app.Services.GetRequiredService<IBus>(), jobs, stop.Token));
        var tally = app.Services.GetRequiredService<LiveHub>().Tally;
        var measured = await Measured.OfAsync(seconds, sockets, before, () => tally.Told);
        var latencies = await LatenciesAsync(app.Urls.Single(), streams, jobs);
        Console.WriteLine(JsonSerializer.Serialize(measured with { P50 = latencies[latencies.Length / 2], P99 = latencies[latencies.Length * 99 / 100] }));
        await Part.HearAsync();
        await stop.CancelAsync();
        await farm;
    }

    static JobQueued Queued(JobId job) => new(job, Caller.Owner.TenantId, Caller.Owner.UserId, "A film", new string('a', 64), new FilmSpec(640, 360, 720, 24, 1, "#000000", new Rect(0, 0, 640, 360), "1/1"), 50, [], 1, "submitted");

    /// <summary>Spread over time, as renders are; those that come together are told together, as a render process does it.</summary>
    static async Task TellAsync(IBus bus, JobId[] jobs, CancellationToken stop)
    {
        using var tick = new PeriodicTimer(LiveBoard.Gather);
        var clock = TimeProvider.System;
        var from = clock.GetTimestamp();
        for (var told = 0L; !stop.IsCancellationRequested; await tick.WaitForNextTickAsync(CancellationToken.None))
        {
            var due = (long)(clock.GetElapsedTime(from).TotalSeconds * PerSecond * jobs.Length);
            var moved = new List<RenderProgress>();
            for (; told < due; told++) moved.Add(new RenderProgress(jobs[told % jobs.Length], (int)(told / jobs.Length % 720), 720, 45, 3, 8.5, null));
            foreach (var some in moved.Chunk(LiveBoard.Together)) await bus.Publish(new RenderBulletin(some), CancellationToken.None);
        }
    }

    /// <summary>From the commit of a step change until a client has it, one render after the other.</summary>
    static async Task<double[]> LatenciesAsync(string url, Streams streams, JobId[] jobs)
    {
        var clock = TimeProvider.System;
        var taken = new List<double>();
        foreach (var job in jobs.Take(Math.Min(jobs.Length, 300)))
        {
            using var client = new ClientWebSocket();
            client.Options.AddSubProtocol("flatrender.v1");
            await client.ConnectAsync(new Uri($"{url.Replace("http", "ws", StringComparison.Ordinal)}/ws/v1/render/{job}?token={Token}"), CancellationToken.None);
            await UntilAsync(client, "\"hello\"");
            for (var n = 0; n < 2; n++)
            {
                var seen = UntilAsync(client, "\"step_change\"");
                object next = n == 0 ? new JobValidating(job, 2, 0, 1, "in") : new JobRendering(job, 3, 0, null, DateTimeOffset.UnixEpoch, "again");
                await streams.AppendAsync(job.Value, "render_job", 2 + n, [next], "bench", CancellationToken.None);
                var committed = clock.GetTimestamp();
                taken.Add(Math.Max(0, clock.GetElapsedTime(committed, await seen).TotalMilliseconds));
            }
        }

        return [.. taken.Order()];
    }

    static async Task<long> UntilAsync(ClientWebSocket client, string type)
    {
        var buffer = new byte[4096];
        while (true)
        {
            var got = await client.ReceiveAsync(buffer.AsMemory(), CancellationToken.None);
            if (got.MessageType == WebSocketMessageType.Close) throw new InvalidOperationException($"The socket was closed: {client.CloseStatusDescription}");
            if (Encoding.UTF8.GetString(buffer, 0, got.Count).Contains($"{{\"type\":{type}", StringComparison.Ordinal)) return TimeProvider.System.GetTimestamp();
        }
    }
}
