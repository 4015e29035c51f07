using System.Diagnostics;
using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.Render;

namespace FlatRender.Services.Tests;

/// <summary>Who is given what, and in which order.</summary>
public sealed class SchedulerSpecs(FarmDatabase database) : IClassFixture<FarmDatabase>, IAsyncLifetime
{
    Farm _farm = null!;

    public async Task InitializeAsync() => _farm = await Farm.OpenAsync(database.Database);

    public Task DisposeAsync() => Task.CompletedTask;

    async Task<NodeTask> MustLeaseAsync(NodeId node) => (await _farm.LeaseAsync(node)).ShouldNotBeNull();

    Task LimitAsync(string scope, string key, int? slots) => _farm.State.LimitAsync(new SetLimit(new SlotLimit(scope, key, slots), "support", "a test"), default);

    [Fact]
    public async Task Work_carries_the_trace_of_the_request_that_its_render_came_of()
    {
        using var request = new Activity("request").Start();
        var traced = await _farm.PlanAsync();
        request.Stop();
        var task = await MustLeaseAsync(await _farm.JoinAsync());
        (task.JobId, task.Trace).ShouldBe((traced, request.Id));
    }

    [Fact]
    public async Task Work_goes_by_priority_then_to_the_tenant_with_the_least_under_way_then_by_age()
    {
        var node = await _farm.JoinAsync();
        TenantId big = new(Ids.New()), small = new(Ids.New());
        var first = await _farm.PlanAsync(big, frames: 1000);
        (await MustLeaseAsync(node)).JobId.ShouldBe(first);
        _farm.Clock.Advance(TimeSpan.FromSeconds(1));
        var second = await _farm.PlanAsync(small);
        (await MustLeaseAsync(node)).JobId.ShouldBe(second, "its tenant has nothing under way");
        var urgent = await _farm.PlanAsync(big, priority: 90);
        (await MustLeaseAsync(node)).JobId.ShouldBe(urgent);
        (await MustLeaseAsync(node)).JobId.ShouldBe(urgent);
        // The big tenant has three slots now, the small one: fewer.
        (await MustLeaseAsync(node)).JobId.ShouldBe(urgent, "priority goes before shares");
    }

    [Fact]
    public async Task Beside_ten_thousand_frames_of_one_tenant_anothers_hundred_begin_with_the_next_free_slot()
    {
        var nodes = new[] { await _farm.JoinAsync(2), await _farm.JoinAsync(2), await _farm.JoinAsync(2) };
        var big = await _farm.PlanAsync(frames: 10_000);
        var busy = new List<(NodeId Node, NodeTask Task)>();
        foreach (var node in nodes) for (var i = 0; i < 2; i++) busy.Add((node, await MustLeaseAsync(node)));
        busy.ShouldAllBe(b => b.Task.JobId == big);
        _farm.Clock.Advance(TimeSpan.FromSeconds(1));
        var small = await _farm.PlanAsync(frames: 100);
        foreach (var node in nodes) (await _farm.LeaseAsync(node)).ShouldBeNull("all slots are taken");

        // One chunk of the big render ends: its slot goes to the small one, and so do the next until both have their half.
        var given = new List<JobId>();
        foreach (var (node, task) in busy.Take(3))
        {
            await _farm.DoAsync(node, task);
            given.Add((await MustLeaseAsync(node)).JobId);
        }
        given.ShouldBe([small, small, small]);
        await _farm.DoAsync(busy[3].Node, busy[3].Task);
        (await MustLeaseAsync(busy[3].Node)).JobId.ShouldBe(big, "two of its slots are left, and three are the other's");
        await _farm.CountsHoldAsync();
    }

    [Fact]
    public async Task With_fewer_slots_than_tenants_each_has_its_turn_however_old_the_renders_of_another_are()
    {
        var node = await _farm.JoinAsync(1);
        TenantId first = new(Ids.New()), second = new(Ids.New()), third = new(Ids.New());
        var big = await _farm.PlanAsync(first, frames: 10_000);
        var task = await MustLeaseAsync(node);
        _farm.Clock.Advance(TimeSpan.FromSeconds(1));
        var small = await _farm.PlanAsync(second, frames: 100);
        _farm.Clock.Advance(TimeSpan.FromSeconds(1));
        var other = await _farm.PlanAsync(third, frames: 100);
        _farm.Clock.Advance(TimeSpan.FromSeconds(1));
        var later = await _farm.PlanAsync(third, frames: 100);
        var given = new List<JobId>();
        for (var i = 0; i < 6; i++)
        {
            await _farm.DoAsync(node, task);
            given.Add((task = await MustLeaseAsync(node)).JobId);
        }
        given.ShouldBe([small, other, big, small, other, big]);
        given.ShouldNotContain(later, "a tenant with two renders has no more turns than one with one");
    }

    [Fact]
    public async Task A_tenant_never_has_more_slots_than_it_may_however_many_nodes_ask_at_once()
    {
        var nodes = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => _farm.JoinAsync(4)));
        TenantId limited = new(Ids.New()), own = new(Ids.New());
        await LimitAsync("tenant", "", 3);
        await LimitAsync("tenant", own.ToString(), 5);
        await _farm.PlanAsync(limited, frames: 2000);
        await _farm.PlanAsync(limited, frames: 2000, priority: 99);
        await _farm.PlanAsync(own, frames: 2000);
        (await Task.WhenAll(nodes.SelectMany(n => Enumerable.Range(0, 4).Select(_ => _farm.LeaseAsync(n))))).OfType<NodeTask>().Count().ShouldBe(8);
        (await Slots(limited), await Slots(own)).ShouldBe((3, 5));
        await LimitAsync("tenant", "", null);
        foreach (var node in nodes) while (await _farm.LeaseAsync(node) is not null) { }
        (await Slots(limited), await Slots(own)).ShouldBe((19, 5));

        async Task<int> Slots(TenantId tenant) => (await _farm.QueryAsync("SELECT count(*)::int FROM render.tasks t JOIN render.jobs j USING (job_id) WHERE t.state = 'leased' AND j.tenant_id = $1", r => r.GetInt32(0), tenant.Value)).Single();
    }

    [Fact]
    public async Task Renders_of_one_template_share_its_limit_and_others_pass_by()
    {
        var node = await _farm.JoinAsync(8);
        await LimitAsync("template", "greedy", 2);
        JobId one = await _farm.PlanAsync(template: "greedy", priority: 90), two = await _farm.PlanAsync(template: "greedy", priority: 90), other = await _farm.PlanAsync(template: "modest");
        var given = new List<JobId>();
        while (await _farm.LeaseAsync(node) is { } task) given.Add(task.JobId);
        given.Count(j => j == one || j == two).ShouldBe(2);
        given.Count(j => j == other).ShouldBe(6);
    }

    [Fact]
    public async Task Only_nodes_with_all_of_its_tags_and_its_engine_work_on_a_render()
    {
        NodeId plain = await _farm.JoinAsync(), half = await _farm.JoinAsync(tags: ["gpu"]), full = await _farm.JoinAsync(tags: ["gpu", "eu"]), blender = await _farm.JoinAsync(engine: "command", tags: ["gpu", "eu"]);
        var job = await _farm.PlanAsync(tags: ["eu", "gpu"]);
        foreach (var node in new[] { plain, half, blender }) (await _farm.LeaseAsync(node)).ShouldBeNull();
        (await MustLeaseAsync(full)).JobId.ShouldBe(job);
    }

    [Fact]
    public async Task A_node_without_work_of_its_own_does_not_keep_work_from_others()
    {
        await _farm.JoinAsync();
        var full = await _farm.JoinAsync(tags: ["gpu"]);
        TenantId tenant = new(Ids.New());
        await _farm.PlanAsync(tenant, tags: ["gpu"], priority: 90);
        var any = await _farm.PlanAsync(tenant);
        (await _farm.Nodes.FreeAsync(default)).Count.ShouldBe(2);
        (await MustLeaseAsync((await _farm.Nodes.FreeAsync(default)).Single(n => n.Id != full).Id)).JobId.ShouldBe(any);
    }

    [Fact]
    public async Task Who_drew_a_segment_checks_it_only_where_there_is_nobody_else()
    {
        var drawer = await _farm.JoinAsync(1);
        await _farm.PlanAsync(frames: 12);
        await _farm.DoAsync(drawer, await MustLeaseAsync(drawer));
        var other = await _farm.JoinAsync(1);
        (await _farm.LeaseAsync(drawer)).ShouldBeNull();
        (await MustLeaseAsync(other)).ShouldBeOfType<ValidateTask>();
        // The other is lost: then better the drawer than nobody.
        await _farm.PassAsync(NodeBook.LostAfter + TimeSpan.FromSeconds(1), drawer);
        await _farm.Nodes.LoseSilentAsync(default);
        await _farm.Book.SweepAsync(default);
        (await MustLeaseAsync(drawer)).ShouldBeOfType<ValidateTask>();
    }

    [Fact]
    public async Task A_node_is_given_no_more_than_it_has_slots_and_nothing_when_it_is_unknown()
    {
        var node = await _farm.JoinAsync(1);
        await _farm.PlanAsync();
        (await _farm.LeaseAsync(new NodeId(Ids.New()))).ShouldBeNull();
        await MustLeaseAsync(node);
        (await _farm.LeaseAsync(node)).ShouldBeNull();
    }

    [Fact]
    public async Task Every_lease_and_its_end_is_a_fact_beside_the_render()
    {
        NodeId node = await _farm.JoinAsync(), other = await _farm.JoinAsync();
        var job = await _farm.PlanAsync(frames: 12);
        var lost = await MustLeaseAsync(node);
        await _farm.PassAsync(NodeBook.LostAfter + TimeSpan.FromSeconds(1), other);
        await _farm.Nodes.LoseSilentAsync(default);
        await _farm.Book.SweepAsync(default);
        var again = await MustLeaseAsync(other);
        await _farm.DoAsync(other, again);
        var facts = await _farm.FactsAsync(FarmStreams.Chunks(job));
        facts.ShouldBe(
        [
            new ChunkLeased(job, "render", 0, 0, 12, 1, lost.LeaseId, node),
            new ChunkExpired(job, "render", 0, 1, lost.LeaseId, node, ((ChunkExpired)facts[1]).Reason),
            new ChunkLeased(job, "render", 0, 0, 12, 2, again.LeaseId, other),
            new ChunkCompleted(job, "render", 0, 2, again.LeaseId, other, Farm.Times.Cpu),
        ]);
        (await _farm.FactsAsync(job.Value)).ShouldBeEmpty("the render's own stream is the pipeline's");
    }

    [Fact]
    public async Task The_counts_hold_whatever_happens()
    {
        var random = new Random(7);
        var nodes = new List<NodeId>();
        for (var i = 0; i < 4; i++) nodes.Add(await _farm.JoinAsync(3));
        var jobs = new List<JobId>();
        var held = new List<(NodeId Node, NodeTask Task)>();
        for (var step = 0; step < 150; step++)
        {
            switch (random.Next(9))
            {
                case 0 when jobs.Count < 6: jobs.Add(await _farm.PlanAsync(frames: random.Next(1, 400))); break;
                case 1 when held.Count > 0 && held[random.Next(held.Count)] is var (node, task): await _farm.Book.CompleteAsync(node, new TaskFailed(task.LeaseId, task.Epoch, Farm.Times, random.Next(2) == 0 ? "ENGINE_CRASHED" : "ABORTED", "it fell"), default); break;
                case 2 when jobs.Count > 0: await _farm.Book.StopAsync(new StopWork(jobs[random.Next(jobs.Count)], random.Next(1, 4), "stopped"), default); break;
                case 3 when jobs.Count > 0: await _farm.Book.PlanAsync(Farm.Plan(jobs[random.Next(jobs.Count)], new TenantId(Ids.New()), random.Next(1, 6)), default); break;
                case 4 when jobs.Count > 0: await _farm.Book.RepairAsync(new RepairFrames(jobs[random.Next(jobs.Count)], random.Next(1, 6), [0], [random.Next(400)]), default); break;
                case 5 when jobs.Count > 0: await _farm.Book.AssembleAsync(new AssembleFilm(jobs[random.Next(jobs.Count)], random.Next(1, 6)), default); break;
                case 6: await _farm.Book.TakeBackAsync(nodes[random.Next(nodes.Count)], null, "taken back", default); break;
                default:
                    if (await _farm.LeaseAsync(nodes[random.Next(nodes.Count)]) is { } leased) held.Add((nodes[0], leased));
                    foreach (var (node, task) in held.ToArray()) foreach (var n in nodes) await _farm.Book.CompleteAsync(n, Farm.ResultOf(task), default);
                    break;
            }
        }
        await _farm.CountsHoldAsync();
        (await _farm.QueryAsync("SELECT sum(drawn)::int FROM render.jobs", r => r.GetInt32(0))).Single().ShouldBeGreaterThan(5, "something was drawn");
    }
}
