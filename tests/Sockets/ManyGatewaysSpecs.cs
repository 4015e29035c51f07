using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.Foundation;
using FlatRender.Studio;
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
        await first.Get<IBus>().Publish(new RenderBulletin([new(id, 360, 720, 45, 3, 8.5, null)]));
        await Until.SoAsync("both have heard of the progress", () => Task.FromResult(new[] { first, second }.All(g => g.Get<Gateway.LiveProgress>().Latest(id)?.FramesDone == 360)));
        foreach (var (gate, client) in new[] { (first, here), (second, there) })
        {
            // Not so far that anything would be found by looking.
            await gate.MeanwhileAsync(HalfAsync(client));
        }

        static async Task HalfAsync(Client client)
        {
            while ((await client.NextAsync("progress")).GetProperty("progress").GetInt32() != 50) { }
        }

        await first.Get<IBus>().Publish(new NodeCrashed(new NodeId(Ids.New()), id, "render", 0, "ENGINE_CRASHED", "the engine died"));
        await first.HappensAsync(id, new JobFailed(id, "Rendering", "AE_REPEATED_CRASH", true, "too often"));
        foreach (var client in new[] { here, there }) (await client.NextAsync("failed")).GetProperty("error_code").GetString().ShouldBe("AE_REPEATED_CRASH");
    }

    [Fact]
    public async Task A_snapshot_is_told_at_a_gateway_that_has_no_studio()
    {
        await using var database = await OwnDatabase.CreateAsync();
        await Migration.ApplyAsync(database.Source, "eventstore", CancellationToken.None);
        await using var house = await Gate.OpenAsync(database.Source, null, Broker, more: new StudioService());
        await using var gateway = await Gate.OpenAsync(database.Source, null, Broker, relay: false);
        var (streams, project) = (house.Get<Streams>(), new ProjectId(Ids.New()));
        var content = new ProjectContent("Nowruz", new TemplateId(Ids.New()), new string('a', 64), null, null, null, null);
        var first = await TakeAsync(0, new ProjectCreated(project, Caller.Owner.TenantId, content, "test", "created"));
        using var client = await gateway.WatchAsync(await house.QueuedAsync());
        await Until.SoAsync("the studio knows it", async () => await house.Get<ProjectShelf>().FindSnapshotAsync(Caller.Owner.TenantId, first, CancellationToken.None) is not null);
        await client.SayAsync(new { type = "subscribe_snapshot", snapshot_id = first });
        (await client.NextAsync("snapshot_update")).GetProperty("snapshot_id").GetGuid().ShouldBe(first.Value);

        // The clock stands still: nothing is found by looking, only by hearing.
        var second = await TakeAsync(2);
        (await client.NextAsync("snapshot_update")).GetProperty("snapshot_id").GetGuid().ShouldBe(second.Value);

        async Task<SnapshotId> TakeAsync(long version, params object[] before)
        {
            var id = new SnapshotId(Ids.New());
            await streams.AppendAsync(project.Value, "project", version, [.. before, new SnapshotTaken(id, project, Caller.Owner.TenantId, content, new string('b', 64), "test", "taken")], "test", CancellationToken.None);
            return id;
        }
    }
}
