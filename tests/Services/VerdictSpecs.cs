using FlatRender.Contracts;
using FlatRender.Render;

namespace FlatRender.Services.Tests;

/// <summary>When pieces fail: is it the template or the node?</summary>
public sealed class VerdictSpecs(FarmDatabase database) : IClassFixture<FarmDatabase>, IAsyncLifetime
{
    static readonly TimeSpan Pause = TimeSpan.FromSeconds(4.5);
    Farm _farm = null!;

    public async Task InitializeAsync() => _farm = await Farm.OpenAsync(database.Database);

    public Task DisposeAsync() => Task.CompletedTask;

    async Task<List<NodeId>> NodesAsync(int count)
    {
        var nodes = new List<NodeId>();
        for (var i = 0; i < count; i++) nodes.Add(await _farm.JoinAsync(1));
        return nodes;
    }

    /// <summary>Whoever may, takes the next piece; pauses between.</summary>
    async Task<(NodeId Node, NodeTask Task)> NextAsync(List<NodeId> nodes)
    {
        for (var pause = 0; pause < 3; pause++)
        {
            foreach (var node in nodes)
                if (await _farm.LeaseAsync(node) is { } task) return (node, task);
            await _farm.PassAsync(Pause, [.. nodes]);
        }
        throw new ShouldAssertException("nobody is given anything");
    }

    RendererFailed? Failed => _farm.Told.OfType<RendererFailed>().SingleOrDefault();

    [Fact]
    public async Task A_template_that_crashes_on_three_nodes_fails_and_none_of_them_is_to_blame()
    {
        var nodes = await NodesAsync(5);
        var job = await _farm.PlanAsync(frames: 12);
        var crashed = new List<NodeId>();
        for (var i = 0; i < 3; i++)
        {
            Failed.ShouldBeNull();
            var (node, task) = await NextAsync(nodes);
            crashed.Add(node);
            await _farm.CrashAsync(node, task, i == 1 ? "ENGINE_HUNG" : "ENGINE_CRASHED");
        }
        crashed.Distinct().Count().ShouldBe(3, "each time another");
        (Failed!.JobId, Failed.Code).ShouldBe((job, "AE_REPEATED_CRASH"));
        Failed.Reason.ShouldContain("3 nodes");
        (await _farm.FactsAsync(FarmStreams.Chunks(job))).OfType<ChunkRejected>().Count().ShouldBe(3);
        (await _farm.HistoryAsync(crashed[0])).ShouldBe(["NodeRegistered", "NodeCrashed"]);
    }

    [Theory, InlineData(1), InlineData(2)]
    public async Task Where_there_are_fewer_nodes_three_crashes_in_all_are_enough(int count)
    {
        var nodes = await NodesAsync(count);
        await _farm.PlanAsync(frames: 12);
        for (var i = 0; i < 3; i++)
        {
            Failed.ShouldBeNull();
            var (node, task) = await NextAsync(nodes);
            await _farm.CrashAsync(node, task);
            (await _farm.LeaseAsync(node)).ShouldBeNull("it rests before it is tried again");
        }
        Failed!.Code.ShouldBe("AE_REPEATED_CRASH");
    }

    [Fact]
    public async Task A_template_of_which_nobody_can_draw_anything_is_not_tried_chunk_by_chunk()
    {
        var nodes = await NodesAsync(3);
        await _farm.PlanAsync(frames: 1000);
        foreach (var node in nodes) await _farm.CrashAsync(node, (await _farm.LeaseAsync(node))!);
        Failed!.Code.ShouldBe("AE_REPEATED_CRASH");
    }

    [Fact]
    public async Task A_node_that_fails_at_what_others_do_is_put_in_quarantine_and_the_renders_go_on()
    {
        var (bad, good) = (await _farm.JoinAsync(1), await _farm.JoinAsync(8));
        var job = await _farm.PlanAsync(frames: 2000);
        for (var i = 0; i < 3; i++)
        {
            (await StateAsync(bad)).ShouldBe("registered");
            await _farm.CrashAsync(bad, (await _farm.LeaseAsync(bad))!);
            await _farm.PassAsync(Pause, good);
            await _farm.JoinAsync(1, bad);
            // The good one does whatever there is, what the bad one failed at among it.
            for (var n = 0; n < 2; n++) await _farm.DoAsync(good, (await _farm.LeaseAsync(good))!);
        }
        (await StateAsync(bad)).ShouldBe("quarantined");
        (await _farm.LeaseAsync(bad)).ShouldBeNull();
        Failed.ShouldBeNull();
        (await _farm.LeaseAsync(good))!.JobId.ShouldBe(job);
        var verdict = (await _farm.FactsAsync(bad.Value)).OfType<NodeQuarantined>().Single();
        (verdict.By, verdict.Reason).ShouldBe(("farm", "it failed at 3 pieces that others did, and did 0 others itself"));
        (await StateAsync(good)).ShouldNotBe("quarantined");
    }

    [Fact]
    public async Task A_node_that_fails_now_and_then_among_much_good_work_stays()
    {
        var (often, good) = (await _farm.JoinAsync(1), await _farm.JoinAsync(1));
        await _farm.PlanAsync(frames: 5000);
        for (var i = 0; i < 5; i++)
        {
            for (var n = 0; n < 5; n++)
                foreach (var node in new[] { often, good })
                    if (await _farm.LeaseAsync(node) is { } task) await _farm.DoAsync(node, task);
            await _farm.CrashAsync(often, (await _farm.LeaseAsync(often))!);
            await _farm.PassAsync(TimeSpan.FromSeconds(1.5), often, good);
            await _farm.DoAsync(good, (await _farm.LeaseAsync(good))!);
        }
        (await StateAsync(often)).ShouldBe("ready");
        (await _farm.QueryAsync("SELECT blamed FROM render.nodes WHERE node_id = $1", r => r.GetInt32(0), often.Value)).Single().ShouldBeGreaterThanOrEqualTo(3);
    }

    [Fact]
    public async Task A_retry_begins_with_a_clean_record()
    {
        var nodes = await NodesAsync(1);
        var job = await _farm.PlanAsync(frames: 12);
        for (var i = 0; i < 3; i++)
        {
            var (node, task) = await NextAsync(nodes);
            await _farm.CrashAsync(node, task);
        }
        await _farm.Book.StopAsync(new StopWork(job, 1, "failed"), default);
        await _farm.Book.PlanAsync(Farm.Plan(job, new TenantId(Guid.NewGuid()), order: 2, frames: 12), default);
        var (again, first) = await NextAsync(nodes);
        await _farm.CrashAsync(again, first);
        _farm.Told.OfType<RendererFailed>().Count().ShouldBe(1, "one crash is no verdict");
    }

    [Fact]
    public async Task A_render_that_silences_every_node_it_meets_is_given_up()
    {
        var node = await _farm.JoinAsync(1);
        await _farm.PlanAsync(frames: 12);
        for (var i = 0; i < 10; i++)
        {
            Failed.ShouldBeNull();
            (await _farm.LeaseAsync(node)).ShouldNotBeNull();
            _farm.Clock.Advance(WorkBook.LeaseTime + TimeSpan.FromSeconds(1));
            await _farm.Nodes.LoseSilentAsync(default);
            await _farm.Book.SweepAsync(default);
            await _farm.JoinAsync(1, node);
        }
        Failed!.Code.ShouldBe("NODES_LOST");
    }

    async Task<string> StateAsync(NodeId node) => (await _farm.State.ShowAsync(default)).Nodes.Single(n => n.NodeId == node).State;
}
