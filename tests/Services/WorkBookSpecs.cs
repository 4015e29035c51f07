using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.Render;
using FlatRender.TestKit;

namespace FlatRender.Services.Tests;

/// <summary>The farm's book: what is leased to whom, what is refused, and what the pipeline hears of it.</summary>
public sealed class WorkBookSpecs(FarmDatabase database) : IClassFixture<FarmDatabase>, IAsyncLifetime
{
    static TaskTimes Times => Farm.Times;

    readonly JobId _job = new(Guid.NewGuid());
    readonly TenantId _tenant = new(Guid.NewGuid());
    NodeId _node, _other;
    Farm _farm = null!;

    WorkBook _book => _farm.Book;
    List<object> _told => _farm.Told;

    public async Task InitializeAsync()
    {
        _farm = await Farm.OpenAsync(database.Database);
        (_node, _other) = (await _farm.JoinAsync(), await _farm.JoinAsync());
    }

    public Task DisposeAsync() => Task.CompletedTask;

    Task PassAsync(TimeSpan time) => _farm.PassAsync(time, _node, _other);

    PlanFrames Plan(int order = 1, JobId? job = null, TenantId? tenant = null, int priority = 50, int frames = 100) => Farm.Plan(job ?? _job, tenant ?? _tenant, order, priority, frames);

    Task<NodeTask?> LeaseAsync(NodeId? node = null) => _farm.LeaseAsync(node ?? _node);

    static TaskRendered Rendered(RenderTask t) => new(t.LeaseId, t.Epoch, Times, new SegmentFiles(t.First, t.Count, "s" + t.First, "m" + t.First), "engine");

    static TaskValidated Valid(ValidateTask t, params int[] corrupt) => new(t.LeaseId, t.Epoch, Times, [], corrupt, corrupt.Length == 0 ? "" : "the picture differs", []);

    /// <summary>Work for one node or the other: who drew a segment does not check it.</summary>
    async Task<(NodeId Node, NodeTask Task)?> NextAsync() =>
        await LeaseAsync(_node) is { } first ? (_node, first) : await LeaseAsync(_other) is { } second ? (_other, second) : null;

    async Task<List<RenderTask>> RenderAllAsync()
    {
        var done = new List<RenderTask>();
        while (await NextAsync() is var (node, task))
        {
            await _farm.DoAsync(node, task);
            if (task is RenderTask render) done.Add(render);
        }

        return done;
    }

    [Fact]
    public async Task A_plan_covers_every_frame_once_and_its_first_lease_tells_the_pipeline_that_work_began()
    {
        await _book.PlanAsync(Plan(), default);
        _told.ShouldBeEmpty();
        var first = await LeaseAsync();
        _told.ShouldBe([new WorkStarted(_job, 1, _node)]);
        await _book.CompleteAsync(_node, Rendered((RenderTask)first!), default);
        var all = await RenderAllAsync();
        all.Append((RenderTask)first!).SelectMany(t => Enumerable.Range(t.First, t.Count)).Order().ShouldBe(Enumerable.Range(0, 100));
        _told.ShouldBe([new WorkStarted(_job, 1, _node), new FramesRendered(_job, 1, _told.OfType<FramesRendered>().Single().ComputeSeconds)]);
    }

    [Fact]
    public async Task A_plan_that_arrives_twice_plans_nothing_twice()
    {
        await _book.PlanAsync(Plan(), default);
        await _book.PlanAsync(Plan(), default);
        (await RenderAllAsync()).Sum(t => t.Count).ShouldBe(100);
    }

    [Fact]
    public async Task One_task_is_never_leased_twice_at_once()
    {
        await _book.PlanAsync(Plan(), default);
        var leased = await Task.WhenAll(Enumerable.Range(0, 12).Select(i => LeaseAsync(i % 2 == 0 ? _node : _other)));
        var chunks = leased.OfType<RenderTask>().Select(t => t.First).ToArray();
        chunks.Distinct().Count().ShouldBe(chunks.Length);
        chunks.Length.ShouldBe(ChunkPlan.Of(100).Count());
    }

    [Fact]
    public async Task A_lease_that_nobody_renews_goes_to_another_and_the_late_result_is_refused()
    {
        await _book.PlanAsync(Plan(), default);
        var lost = (RenderTask)(await LeaseAsync(_node))!;
        await PassAsync(WorkBook.LeaseTime + TimeSpan.FromSeconds(1));
        await _book.SweepAsync(default);
        var again = (RenderTask)(await LeaseAsync(_other))!;
        (again.First, again.Epoch).ShouldBe((lost.First, lost.Epoch + 1));
        (await _book.CompleteAsync(_node, Rendered(lost), default)).ShouldBeFalse();
        (await _book.CompleteAsync(_other, Rendered(again), default)).ShouldBeTrue();
    }

    [Fact]
    public async Task Leases_are_renewed_in_the_order_in_which_they_are_taken_back_so_that_neither_waits_for_the_other()
    {
        await _book.PlanAsync(Plan(), default);
        var held = new List<TaskProgress>();
        for (var n = 0; n < 3; n++)
        {
            var task = (await LeaseAsync())!;
            held.Insert(0, new(task.LeaseId, task.Epoch, 0));
        }
        var source = database.Database.Source;
        // Where they lie in the table tells nothing of their order.
        await source.RunAsync("WITH gone AS (DELETE FROM render.tasks WHERE job_id = $1 RETURNING *) INSERT INTO render.tasks SELECT * FROM gone ORDER BY chunk DESC", default, _job.Value);
        await using var first = await source.OpenConnectionAsync();
        await using (await first.BeginTransactionAsync())
        {
            await first.RunAsync("SELECT FROM render.tasks WHERE job_id = $1 AND chunk = 0 FOR UPDATE", default, _job.Value);
            var renewing = Task.Run(() => _book.RenewAsync(_node, held, default));
            while ((await source.QueryAsync("SELECT 1 FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))", row => row.GetInt32(0), default, first.ProcessID)).Count == 0)
                renewing.IsCompleted.ShouldBeFalse("it must wait for the first");
            // Who took the first piece gets the others too.
            (await first.QueryAsync("SELECT chunk FROM render.tasks WHERE job_id = $1 AND state = 'leased' ORDER BY chunk FOR UPDATE NOWAIT", row => row.GetInt32(0), default, _job.Value)).ShouldBe([0, 1, 2]);
            await first.RunAsync("ROLLBACK", default);
            (await renewing).ShouldBeEmpty();
        }
    }

    [Fact]
    public async Task A_renewed_lease_is_kept_and_a_strange_one_must_be_dropped()
    {
        await _book.PlanAsync(Plan(), default);
        var task = (await LeaseAsync())!;
        await PassAsync(WorkBook.LeaseTime - TimeSpan.FromSeconds(1));
        var strange = new LeaseId(Guid.NewGuid());
        (await _book.RenewAsync(_node, [new(task.LeaseId, task.Epoch, 3), new(strange, 1, 0)], default)).ShouldBe([strange]);
        await PassAsync(TimeSpan.FromSeconds(2));
        await _book.SweepAsync(default);
        (await _book.CompleteAsync(_node, Rendered((RenderTask)task), default)).ShouldBeTrue();
    }

    [Fact]
    public async Task The_result_of_anothers_lease_or_of_a_wrong_epoch_changes_nothing()
    {
        await _book.PlanAsync(Plan(), default);
        var task = (RenderTask)(await LeaseAsync(_node))!;
        (await _book.CompleteAsync(_other, Rendered(task), default)).ShouldBeFalse();
        (await _book.CompleteAsync(_node, Rendered(task with { Epoch = task.Epoch + 1 }), default)).ShouldBeFalse();
        (await _book.CompleteAsync(_node, Rendered(task), default)).ShouldBeTrue();
    }

    [Fact]
    public async Task A_result_sent_twice_is_taken_once()
    {
        await _book.PlanAsync(Plan(frames: 12), default);
        var task = (RenderTask)(await LeaseAsync())!;
        (await _book.CompleteAsync(_node, Rendered(task), default)).ShouldBeTrue();
        (await _book.CompleteAsync(_node, Rendered(task), default)).ShouldBeTrue();
        var told = _told.OfType<FramesRendered>().Single();
        told.ComputeSeconds.ShouldBe(Times.Cpu);
    }

    [Fact]
    public async Task Every_segment_is_checked_and_bad_frames_are_named_to_the_pipeline()
    {
        await _book.PlanAsync(Plan(), default);
        var bad = new HashSet<int> { 20, 70 };
        while (await NextAsync() is var (node, task))
            await _book.CompleteAsync(node, task is RenderTask r ? Rendered(r) : Valid((ValidateTask)task, [.. bad.Where(f => f >= ((ValidateTask)task).Segment.First && f < ((ValidateTask)task).Segment.First + ((ValidateTask)task).Segment.Count)]), default);
        _told.OfType<FramesRejected>().ShouldBeEmpty("the pipeline has not asked yet");
        await _book.ValidateAsync(new ValidateFrames(_job, 2), default);
        var rejected = _told.OfType<FramesRejected>().Single();
        (rejected.Order, string.Join(",", rejected.CorruptFrames)).ShouldBe((2, "20,70"));
    }

    [Fact]
    public async Task A_repair_draws_only_the_chunks_with_bad_frames_again()
    {
        await _book.PlanAsync(Plan(), default);
        await RenderAllAsync();
        await _book.ValidateAsync(new ValidateFrames(_job, 2), default);
        await _book.RepairAsync(new RepairFrames(_job, 3, [20], []), default);
        var again = await RenderAllAsync();
        again.ShouldHaveSingleItem().ShouldSatisfyAllConditions(t => t.First.ShouldBeLessThanOrEqualTo(20), t => (t.First + t.Count).ShouldBeGreaterThan(20));
        _told.OfType<FramesRendered>().Last().Order.ShouldBe(3);
    }

    [Fact]
    public async Task A_repair_that_is_asked_for_again_leaves_alone_what_was_drawn_anew()
    {
        await _book.PlanAsync(Plan(), default);
        await RenderAllAsync();
        await _book.ValidateAsync(new ValidateFrames(_job, 2), default);
        await _book.RepairAsync(new RepairFrames(_job, 3, [20], [70]), default);
        var (node, task) = (await NextAsync())!.Value;
        await _farm.DoAsync(node, task);
        await _book.RepairAsync(new RepairFrames(_job, 4, [20], [70]), default);
        (await RenderAllAsync()).ShouldHaveSingleItem().First.ShouldNotBe(((RenderTask)task).First);
        _told.OfType<FramesRendered>().Last().Order.ShouldBe(4);
    }

    [Fact]
    public async Task What_the_pipeline_did_not_hear_it_hears_when_it_asks_again()
    {
        await _book.PlanAsync(Plan(), default);
        await RenderAllAsync();
        _told.Clear();
        await _book.ResumeAsync(new ResumeFrames(_job, 2), default);
        _told.OfType<FramesRendered>().Single().Order.ShouldBe(2);
    }

    [Fact]
    public async Task A_stopped_job_gives_its_leases_back_and_none_are_given_out()
    {
        await _book.PlanAsync(Plan(), default);
        var task = (RenderTask)(await LeaseAsync())!;
        (await _book.StopAsync(new StopWork(_job, 1, "cancelled"), default)).ShouldBe([(_node, task.LeaseId)]);
        (await LeaseAsync()).ShouldBeNull();
        (await _book.CompleteAsync(_node, Rendered(task), default)).ShouldBeFalse();
    }

    [Fact]
    public async Task A_stop_that_overtakes_its_plan_still_stops()
    {
        await _book.StopAsync(new StopWork(_job, 1, "cancelled"), default);
        await _book.PlanAsync(Plan(), default);
        // The same order that was stopped; only a newer one (a retry) may start it.
        (await LeaseAsync()).ShouldBeNull();
        await _book.PlanAsync(Plan(order: 2), default);
        (await LeaseAsync()).ShouldNotBeNull();
    }

    [Fact]
    public async Task A_retry_keeps_the_chunks_that_are_done()
    {
        await _book.PlanAsync(Plan(), default);
        var done = (RenderTask)(await LeaseAsync())!;
        await _book.CompleteAsync(_node, Rendered(done), default);
        await _book.StopAsync(new StopWork(_job, 1, "failed"), default);
        await _book.PlanAsync(Plan(order: 2), default);
        (await RenderAllAsync()).ShouldNotContain(t => t.First == done.First);
        _told.OfType<FramesRendered>().Last().Order.ShouldBe(2);
    }

    [Fact]
    public async Task A_held_job_is_skipped_until_it_is_released()
    {
        await _book.PlanAsync(Plan(), default);
        await _book.HoldAsync(_job, held: true, default);
        (await LeaseAsync()).ShouldBeNull();
        await _book.HoldAsync(_job, held: false, default);
        (await LeaseAsync()).ShouldNotBeNull();
    }

    [Fact]
    public async Task A_broken_template_fails_the_render_at_once()
    {
        await _book.PlanAsync(Plan(frames: 12), default);
        var task = (await LeaseAsync())!;
        await _book.CompleteAsync(_node, new TaskFailed(task.LeaseId, task.Epoch, Times, "TEMPLATE_INVALID", "no layers"), default);
        _told.OfType<RendererFailed>().Single().Code.ShouldBe("TEMPLATE_INVALID");
    }
}
