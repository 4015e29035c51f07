using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.TestKit;
using MassTransit;

namespace FlatRender.Sockets.Tests;

/// <summary>Gateways in processes of their own, over a real RabbitMQ: whoever is connected where hears the same.</summary>
public sealed class ManyGatewaysSpecs
{
    static string Broker => Environment.GetEnvironmentVariable("FLATRENDER_TEST_RABBITMQ") ?? throw new InvalidOperationException("FLATRENDER_TEST_RABBITMQ is not set. Run ./flatrender test: it starts a private RabbitMQ and sets it.");

    [Fact]
    public async Task Every_gateway_hears_everything()
    {
        await using var database = await OwnDatabase.CreateAsync();
        await Migration.ApplyAsync(database.Source, "eventstore", CancellationToken.None);
        await using var first = await Gate.OpenAsync(database.Source, null, Broker);
        await using var second = await Gate.OpenAsync(database.Source, null, Broker, relay: false);
        var id = await first.QueuedAsync();
        using var here = await first.WatchAsync(id);
        using var there = await second.WatchAsync(id);

        // The sockets' clocks stand still: nothing is found by looking, only by hearing.
        await second.HappensAsync(id, new JobRendering(id, 1, 0, null, DateTimeOffset.UnixEpoch, "began"));
        foreach (var client in new[] { here, there }) (await client.NextAsync("step_change")).GetProperty("to_step").GetString().ShouldBe("Rendering");
        await first.Get<IBus>().Publish(new RenderProgress(id, 360, 720, 45, 3, 8.5, null));
        await Until.SoAsync("both have heard of the progress", () => Task.FromResult(new[] { first, second }.All(g => g.Get<Gateway.LiveProgress>().Latest(id)?.FramesDone == 360)));
        foreach (var (gate, client) in new[] { (first, here), (second, there) })
        {
            gate.Clock.Advance(TimeSpan.FromSeconds(1));
            await Until.SoAsync("the progress is told", async () => (await client.NextAsync("progress")).GetProperty("progress").GetInt32() == 50);
        }

        await first.Get<IBus>().Publish(new NodeCrashed(new NodeId(Ids.New()), id, "render", 0, "ENGINE_CRASHED", "the engine died"));
        await first.HappensAsync(id, new JobFailed(id, "Rendering", "AE_REPEATED_CRASH", true, "too often"));
        foreach (var client in new[] { here, there }) (await client.NextAsync("failed")).GetProperty("error_code").GetString().ShouldBe("AE_REPEATED_CRASH");
    }
}
