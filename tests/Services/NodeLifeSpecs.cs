using FlatRender.Contracts;
using FlatRender.Render;

namespace FlatRender.Services.Tests;

/// <summary>Nodes come, drain, die, come back, and are taken out and let in again.</summary>
public sealed class NodeLifeSpecs(FarmDatabase database) : IClassFixture<FarmDatabase>, IAsyncLifetime
{
    static readonly TimeSpan Silence = NodeBook.LostAfter + TimeSpan.FromSeconds(1);
    Farm _farm = null!;

    public async Task InitializeAsync() => _farm = await Farm.OpenAsync(database.Database);

    public Task DisposeAsync() => Task.CompletedTask;

    async Task<string> StateAsync(NodeId node) => (await _farm.State.ShowAsync(default)).Nodes.Single(n => n.NodeId == node).State;

    async Task LoseSilentAsync()
    {
        await _farm.Nodes.LoseSilentAsync(default);
        await _farm.Book.SweepAsync(default);
    }

    Task<string?> DrainAsync(NodeId node) => _farm.Nodes.DrainAsync(new DrainNode(node, "support", "new kernel"), default);
    Task<string?> QuarantineAsync(NodeId node) => _farm.Nodes.QuarantineAsync(new QuarantineNode(node, "support", "it smells"), default);
    Task<string?> ReleaseAsync(NodeId node) => _farm.Nodes.ReleaseAsync(new ReleaseNode(node, "support", "mended"), default);

    [Fact]
    public async Task A_node_is_registered_then_ready_and_may_work_from_the_first_moment()
    {
        var node = await _farm.JoinAsync();
        (await StateAsync(node)).ShouldBe("registered");
        await _farm.PlanAsync();
        (await _farm.LeaseAsync(node)).ShouldNotBeNull();
        (await _farm.Nodes.SeenAsync(node, null, default)).ShouldBe((true, false));
        (await StateAsync(node)).ShouldBe("ready");
        (await _farm.HistoryAsync(node)).ShouldBe(["NodeRegistered"]);
    }

    [Fact]
    public async Task A_silent_node_is_lost_its_work_goes_to_another_and_it_recovers_by_registering()
    {
        NodeId node = await _farm.JoinAsync(), other = await _farm.JoinAsync();
        await _farm.PlanAsync(frames: 12);
        var lost = (await _farm.LeaseAsync(node))!;
        await _farm.PassAsync(Silence, other);
        await LoseSilentAsync();
        await LoseSilentAsync();
        (await StateAsync(node)).ShouldBe("lost");
        (await _farm.Nodes.SeenAsync(node, null, default)).Known.ShouldBeFalse("it must register again");
        ((RenderTask)(await _farm.LeaseAsync(other))!).Epoch.ShouldBe(lost.Epoch + 1);
        await _farm.JoinAsync(again: node);
        (await StateAsync(node)).ShouldBe("registered");
        (await _farm.FactsAsync(node.Value)).OfType<NodeLost>().Single().Leases.ShouldBe(1);
        (await _farm.HistoryAsync(node)).ShouldBe(["NodeRegistered", "NodeLost", "NodeRegistered", "NodeRecovered"]);
    }

    [Fact]
    public async Task A_draining_node_finishes_takes_nothing_new_and_leaves()
    {
        var node = await _farm.JoinAsync();
        await _farm.PlanAsync();
        var task = (await _farm.LeaseAsync(node))!;
        (await DrainAsync(node)).ShouldBeNull();
        (await DrainAsync(node)).ShouldBeNull();
        (await _farm.LeaseAsync(node)).ShouldBeNull();
        (await _farm.Nodes.SeenAsync(node, null, default)).ShouldBe((true, true));
        await _farm.DoAsync(node, task);
        await _farm.Nodes.LeaveAsync(node, default);
        await _farm.Nodes.LeaveAsync(node, default);
        (await StateAsync(node)).ShouldBe("left");
        (await _farm.HistoryAsync(node)).ShouldBe(["NodeRegistered", "NodeDraining", "NodeDrained"]);
        (await DrainAsync(node))!.ShouldContain("left");
        // It may come again at any time.
        await _farm.JoinAsync(again: node);
        (await _farm.LeaseAsync(node)).ShouldNotBeNull();
    }

    [Fact]
    public async Task What_a_leaving_node_had_not_finished_goes_to_others()
    {
        NodeId node = await _farm.JoinAsync(), other = await _farm.JoinAsync();
        await _farm.PlanAsync(frames: 12);
        await _farm.LeaseAsync(node);
        await _farm.Nodes.LeaveAsync(node, default);
        await _farm.Book.SweepAsync(default);
        (await _farm.LeaseAsync(other)).ShouldNotBeNull();
        (await _farm.FactsAsync(node.Value)).OfType<NodeDrained>().Single().Leases.ShouldBe(1);
    }

    [Fact]
    public async Task A_node_in_quarantine_gets_nothing_loses_what_it_has_and_no_restart_frees_it()
    {
        NodeId node = await _farm.JoinAsync(), other = await _farm.JoinAsync();
        await _farm.PlanAsync(frames: 12);
        var task = (await _farm.LeaseAsync(node))!;
        (await QuarantineAsync(node)).ShouldBeNull();
        (await QuarantineAsync(node)).ShouldBeNull();
        await _farm.Book.SweepAsync(default);
        (await _farm.Book.CompleteAsync(node, Farm.ResultOf(task), default)).ShouldBeFalse();
        (await _farm.LeaseAsync(node)).ShouldBeNull();
        await _farm.JoinAsync(again: node);
        (await StateAsync(node)).ShouldBe("quarantined");
        (await _farm.LeaseAsync(node)).ShouldBeNull();
        (await _farm.LeaseAsync(other)).ShouldNotBeNull();

        (await ReleaseAsync(node)).ShouldBeNull();
        (await ReleaseAsync(node)).ShouldBeNull();
        (await StateAsync(node)).ShouldBe("ready");
        (await _farm.HistoryAsync(node)).ShouldBe(["NodeRegistered", "NodeQuarantined", "NodeRegistered", "NodeRecovered"]);
        (await ReleaseAsync(new NodeId(Guid.NewGuid())))!.ShouldContain("There is no node");
    }

    [Fact]
    public async Task A_released_node_that_is_silent_must_register_first()
    {
        var node = await _farm.JoinAsync();
        await QuarantineAsync(node);
        _farm.Clock.Advance(Silence);
        await LoseSilentAsync();
        (await StateAsync(node)).ShouldBe("quarantined");
        await ReleaseAsync(node);
        (await StateAsync(node)).ShouldBe("lost");
    }

    [Fact]
    public async Task A_node_that_can_take_nothing_now_is_passed_over_until_it_says_otherwise_and_what_it_has_goes_on()
    {
        NodeId full = await _farm.JoinAsync(2), other = await _farm.JoinAsync(1);
        await _farm.PlanAsync(frames: 100);
        var had = (await _farm.LeaseAsync(full))!;
        await _farm.Nodes.SeenAsync(full, "its disk is full", default);
        (await _farm.Nodes.FreeAsync(default)).Select(n => n.Id).ShouldBe([other]);
        (await _farm.LeaseAsync(full)).ShouldBeNull();
        (await _farm.State.ShowAsync(default)).Nodes.Single(n => n.NodeId == full).ShouldSatisfyAllConditions(n => n.State.ShouldBe("ready"), n => n.Unfit.ShouldBe("its disk is full"));
        // What failed at the other need not avoid it in favour of one that cannot.
        await _farm.CrashAsync(other, (await _farm.LeaseAsync(other))!);
        await _farm.PassAsync(TimeSpan.FromSeconds(2), other);
        (await _farm.LeaseAsync(other)).ShouldNotBeNull();
        await _farm.DoAsync(full, had);
        await _farm.Nodes.SeenAsync(full, null, default);
        (await _farm.LeaseAsync(full)).ShouldNotBeNull();
    }
}
