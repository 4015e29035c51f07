using FlatRender.Contracts;
using FlatRender.Render;

namespace FlatRender.Services.Tests;

/// <summary>Why does it wait? There is always an answer, and it is the scheduler's.</summary>
public sealed class WaitSpecs(FarmDatabase database) : IClassFixture<FarmDatabase>, IAsyncLifetime
{
    Farm _farm = null!;

    public async Task InitializeAsync() => _farm = await Farm.OpenAsync(database.Database);

    public Task DisposeAsync() => Task.CompletedTask;

    async Task<string[]> CodesAsync(JobId job) => [.. (await _farm.State.ExplainAsync(job, default)).Reasons.Select(r => r.Code)];

    Task LimitAsync(string scope, string key, int? slots) => _farm.State.LimitAsync(new SetLimit(new SlotLimit(scope, key, slots), "support", "a test"), default);

    [Fact]
    public async Task Each_thing_a_render_can_wait_for_is_named()
    {
        (await CodesAsync(new JobId(Guid.NewGuid()))).ShouldBe(["NOT_PLANNED"]);
        TenantId tenant = new(Guid.NewGuid());
        var job = await _farm.PlanAsync(tenant, frames: 24, template: "t", tags: ["gpu"]);
        (await CodesAsync(job)).ShouldBe(["NO_NODE"]);
        var plain = await _farm.JoinAsync(1);
        (await CodesAsync(job)).ShouldBe(["NO_NODE_WITH_TAG"]);
        await _farm.JoinAsync(1, engine: "command", tags: ["gpu"]);
        (await CodesAsync(job)).ShouldBe(["NO_NODE_WITH_ENGINE"]);
        var node = await _farm.JoinAsync(1, tags: ["gpu"]);
        (await CodesAsync(job)).ShouldBe(["NEXT"]);
        await _farm.Nodes.SeenAsync(node, "its disk is full", default);
        (await _farm.State.ExplainAsync(job, default)).Reasons.ShouldHaveSingleItem().ShouldSatisfyAllConditions(r => r.Code.ShouldBe("NODE_UNFIT"), r => r.Message.ShouldContain("n: its disk is full"));
        await _farm.Nodes.SeenAsync(node, null, default);
        (await CodesAsync(job)).ShouldBe(["NEXT"]);
        await LimitAsync("tenant", tenant.ToString(), 0);
        (await CodesAsync(job)).ShouldBe(["TENANT_LIMIT"]);
        await LimitAsync("tenant", tenant.ToString(), null);
        await LimitAsync("template", "t", 0);
        (await CodesAsync(job)).ShouldBe(["TEMPLATE_LIMIT"]);
        await _farm.Book.HoldAsync(job, true, default);
        (await CodesAsync(job)).ShouldBe(["HELD", "TEMPLATE_LIMIT"]);
        await _farm.Book.HoldAsync(job, false, default);
        await LimitAsync("template", "t", null);

        var task = (await _farm.LeaseAsync(node))!;
        (await CodesAsync(job)).ShouldBe(["UNDER_WAY", "NO_FREE_SLOT"]);
        await _farm.CrashAsync(node, task);
        var rests = await _farm.State.ExplainAsync(job, default);
        rests.Reasons.Select(r => r.Code).ShouldBe(["BACKOFF", "NEXT"]);
        rests.Reasons[0].Until.ShouldBe(_farm.Clock.GetUtcNow() + TimeSpan.FromSeconds(1));
        rests.Chunks[0].Message.ShouldContain("exit code 139");

        await _farm.PassAsync(TimeSpan.FromSeconds(2), plain, node);
        for (var i = 0; i < 2; i++) await _farm.DoAsync(node, (await _farm.LeaseAsync(node))!);
        var second = await _farm.JoinAsync(1, tags: ["gpu"]);
        while (await _farm.LeaseAsync(second) is { } check && check is not ValidateTask) await _farm.DoAsync(second, check);
        (await CodesAsync(job)).ShouldContain("VALIDATION");
        await _farm.Book.StopAsync(new StopWork(job, 1, "cancelled"), default);
        (await CodesAsync(job)).ShouldBe(["STOPPED"]);
    }

    [Fact]
    public async Task A_check_waits_for_another_node_and_a_finished_order_for_the_pipeline()
    {
        NodeId drawer = await _farm.JoinAsync(2), other = await _farm.JoinAsync(1);
        var busy = await _farm.PlanAsync(frames: 12);
        await _farm.LeaseAsync(other);
        var job = await _farm.PlanAsync(frames: 12);
        await _farm.DoAsync(drawer, (await _farm.LeaseAsync(drawer))!);
        (await CodesAsync(job)).ShouldBe(["OTHER_NODE", "VALIDATION"]);
        (await CodesAsync(busy)).ShouldBe(["UNDER_WAY"]);
        await _farm.Nodes.LeaveAsync(other, default);
        await _farm.DoAsync(drawer, (await _farm.LeaseAsync(drawer))!);
        (await CodesAsync(job)).ShouldBe(["PIPELINE"]);
        await _farm.Book.AssembleAsync(new AssembleFilm(job, 3), default);
        (await CodesAsync(job)).ShouldBe(["NEXT", "ASSEMBLY"]);
    }

    [Fact]
    public async Task In_any_state_of_the_farm_every_render_has_a_reason_and_only_what_is_next_is_given_out()
    {
        for (var seed = 1; seed <= 8; seed++)
        {
            _farm = await Farm.OpenAsync(database.Database);
            var random = new Random(seed);
            string[] tags = ["a", "b"];
            TenantId[] tenants = [new(Guid.NewGuid()), new(Guid.NewGuid())];
            var nodes = new List<NodeId>();
            var jobs = new List<JobId>();
            var held = new List<(NodeId Node, NodeTask Task)>();
            for (var i = random.Next(4); i > 0; i--) nodes.Add(await _farm.JoinAsync(random.Next(1, 3), null, random.Next(5) == 0 ? "command" : "skottie", [.. tags.Where(_ => random.Next(2) == 0)]));
            for (var i = random.Next(1, 5); i > 0; i--) jobs.Add(await _farm.PlanAsync(tenants[random.Next(2)], random.Next(3), random.Next(1, 100), "t" + random.Next(2), [.. tags.Where(_ => random.Next(3) == 0)]));
            if (random.Next(2) == 0) await LimitAsync("tenant", random.Next(2) == 0 ? "" : tenants[0].ToString(), random.Next(3));
            if (random.Next(3) == 0) await LimitAsync("template", "t0", random.Next(3));
            for (var step = 0; step < 25; step++)
            {
                var job = jobs[random.Next(jobs.Count)];
                switch (random.Next(11))
                {
                    case 0: await _farm.Book.HoldAsync(job, random.Next(2) == 0, default); break;
                    case 1 when nodes.Count > 0: await _farm.Nodes.QuarantineAsync(new QuarantineNode(nodes[random.Next(nodes.Count)], "x", "y"), default); await _farm.Book.SweepAsync(default); break;
                    case 2 when nodes.Count > 0: await _farm.Nodes.ReleaseAsync(new ReleaseNode(nodes[random.Next(nodes.Count)], "x", "y"), default); break;
                    case 3: _farm.Clock.Advance(TimeSpan.FromSeconds(random.Next(7))); await _farm.Nodes.LoseSilentAsync(default); await _farm.Book.SweepAsync(default); break;
                    case 4 when random.Next(4) == 0: await _farm.Book.StopAsync(new StopWork(job, 1, "x"), default); break;
                    case 5: await _farm.Book.ValidateAsync(new ValidateFrames(job, random.Next(1, 4)), default); break;
                    case 6: await _farm.Book.AssembleAsync(new AssembleFilm(job, random.Next(1, 4)), default); break;
                    case 10 when nodes.Count > 0: await _farm.Nodes.SeenAsync(nodes[random.Next(nodes.Count)], random.Next(2) == 0 ? "its disk is full" : null, default); break;
                    case 7 when held.Count > 0: await _farm.Book.CompleteAsync(held[^1].Node, new TaskFailed(held[^1].Task.LeaseId, held[^1].Task.Epoch, Farm.Times, "ENGINE_CRASHED", "x"), default); break;
                    case 8 when held.Count > 0: await _farm.Book.CompleteAsync(held[^1].Node, Farm.ResultOf(held[^1].Task), default); break;
                    default:
                        if (nodes.Count > 0 && nodes[random.Next(nodes.Count)] is var node) await LeaseWhatIsNextAsync(node, held, seed);
                        break;
                }
                foreach (var each in jobs) (await _farm.State.ExplainAsync(each, default)).Reasons.ShouldNotBeEmpty($"seed {seed}, step {step}");
            }
            // When every node has been asked until it got nothing, nothing may claim to be next.
            foreach (var node in nodes) while (await LeaseWhatIsNextAsync(node, held, seed)) { }
            foreach (var job in jobs) (await CodesAsync(job)).ShouldNotContain("NEXT", $"seed {seed}");
            await _farm.CountsHoldAsync();
        }
    }

    /// <summary>What a node is given was said to be next.</summary>
    async Task<bool> LeaseWhatIsNextAsync(NodeId node, List<(NodeId, NodeTask)> held, int seed)
    {
        var said = (await _farm.QueryAsync("SELECT job_id FROM render.jobs", r => new JobId(r.GetGuid(0)))).ToDictionary(j => j, j => _farm.State.ExplainAsync(j, default));
        await Task.WhenAll(said.Values);
        if (await _farm.LeaseAsync(node) is not { } task) return false;
        var kind = task is RenderTask ? "render" : task is ValidateTask ? "validate" : "assemble";
        var first = task is RenderTask r ? r.First : task is ValidateTask v ? v.Segment.First : 0;
        said[task.JobId].Result.Chunks.Single(c => c.Kind == kind && c.First == first).Code.ShouldBe("NEXT", $"seed {seed}");
        held.Add((node, task));
        return true;
    }
}
