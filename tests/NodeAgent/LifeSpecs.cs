using System.Buffers;
using System.Diagnostics;
using System.Net;
using FlatRender.Contracts;
using FlatRender.NodeAgent.Children;
using Shouldly;
using Xunit;

namespace FlatRender.NodeAgent.Tests;

/// <summary>What an agent does when an engine, a host, or itself comes to an end.</summary>
public sealed class LifeSpecs : IAsyncLifetime
{
    readonly FilmSpec _film = Farm.Film(64, 48, 10);
    Farm _farm = null!;

    public async Task InitializeAsync() => _farm = await Farm.Start(slots: 1, memoryMb: 300);

    public Task DisposeAsync() => _farm.DisposeAsync().AsTask();

    string Faulty(string at, string fault) => _farm.Template(new { faults = new Dictionary<string, string> { [at] = fault } });

    async Task NextWorks() => (await _farm.Segment(_film, _farm.Template(new { name = "next" }), 0, 10)).Count.ShouldBe(10);

    [Theory]
    [InlineData("crash", "ENGINE_CRASHED", "the engine fell over at frame 4")]
    [InlineData("size", "ENGINE_CRASHED", "bytes for frame 4")]
    [InlineData("hog", "ENGINE_CRASHED", "the limit is 300 MB")]
    public async Task A_broken_engine_fails_its_task_and_the_next_works(string fault, string code, string reason)
    {
        var failed = await _farm.Do<TaskFailed>(_farm.Rendering(_film, Faulty("4", fault), 0, 10));
        failed.Code.ShouldBe(code);
        failed.Reason.ShouldContain(reason);
        await NextWorks();
    }

    [Fact]
    public async Task An_engine_that_is_struck_while_the_node_comes_up_is_started_again()
    {
        var once = Path.Combine(_farm.Folder, "once.mjs");
        await File.WriteAllTextAsync(once, $$"""
            import { existsSync, writeFileSync } from 'node:fs'
            if (!existsSync('{{once}}.struck')) { writeFileSync('{{once}}.struck', ''); process.exit(1) }
            await import('{{Path.Combine(AppContext.BaseDirectory, "engines", "faulty.mjs")}}')
            """);
        await using var farm = await Farm.Start(slots: 1, engine: ("once", once));
        farm.Agent.Registration.Engines.Keys.ShouldBe(["faulty", "once"], ignoreOrder: true);
        File.Exists(once + ".struck").ShouldBeTrue();
    }

    [Fact]
    public async Task What_a_node_reports_belongs_to_the_trace_of_the_render_it_works_for()
    {
        const string trace = "0af7651916cd43dd8448eb211c80319c";
        var task = _farm.Rendering(_film, Faulty("0", "crash"), 0, 1) with { Trace = $"00-{trace}-b7ad6b7169203331-01" };
        await _farm.Do<TaskFailed>(task);
        _farm.Host.Traces[task.LeaseId].ShouldContain(trace);
        await NextWorks();
    }

    [Fact]
    public async Task A_hanging_engine_is_killed_at_the_deadline()
    {
        var failed = await _farm.Do<TaskFailed>(_farm.Rendering(_film, Faulty("4", "hang"), 0, 10, deadline: 1.5));
        failed.Code.ShouldBe("ENGINE_HUNG");
        await NextWorks();
    }

    [Fact]
    public async Task A_silent_engine_is_killed_long_before_the_deadline()
    {
        await using var farm = await Farm.Start(slots: 1, frameSeconds: 1);
        var failed = await farm.Do<TaskFailed>(farm.Rendering(_film, farm.Template(new { faults = new Dictionary<string, string> { ["4"] = "hang" } }), 0, 10, deadline: 600));
        (failed.Code, failed.Reason.Contains("said nothing for 1 s", StringComparison.Ordinal)).ShouldBe(("ENGINE_HUNG", true));
    }

    [Fact]
    public async Task An_engine_that_burns_processors_is_killed()
    {
        await using var farm = await Farm.Start(slots: 1, frameCpuSeconds: 1);
        // It burns in several processes at once, and theirs count.
        var failed = await farm.Do<TaskFailed>(farm.Rendering(_film, farm.Template(new { faults = new Dictionary<string, string> { ["0"] = "burn" } }), 0, 2, deadline: 600));
        (failed.Code, failed.Reason.Contains("processor time", StringComparison.Ordinal)).ShouldBe(("ENGINE_CRASHED", true));
    }

    [Fact]
    public async Task Memory_that_an_engine_hides_in_its_children_counts()
    {
        var failed = await _farm.Do<TaskFailed>(_farm.Rendering(_film, Faulty("4", "hog-in-child"), 0, 10));
        (failed.Code, failed.Reason.Contains("the limit is 300 MB", StringComparison.Ordinal)).ShouldBe(("ENGINE_CRASHED", true));
        await NextWorks();
    }

    [Fact]
    public async Task An_engine_reaches_nobody()
    {
        if (!_farm.Agent.Registration.Tags.Contains("no-network")) return;
        var template = _farm.Template(new { faults = new Dictionary<string, string> { ["4"] = "call-home" }, port = _farm.Host.Url.Port });
        (await _farm.Segment(_film, template, 0, 10)).Count.ShouldBe(10);
    }

    [Fact]
    public async Task What_an_engine_leaves_behind_dies_with_it()
    {
        var mark = $"{Random.Shared.Next(100_000, 999_999)}.5";
        var task = _farm.Rendering(_film, _farm.Template(new { faults = new Dictionary<string, string> { ["4"] = "orphan" }, mark }), 0, 10);
        (await _farm.Host.Assign(_farm.Node, task)).ShouldBe(HttpStatusCode.Accepted);
        await Until(() => Children.Named(mark).Length > 0);
        (await _farm.Host.Call(_farm.Node, HttpMethod.Delete, $"/v1/tasks/{task.LeaseId}")).Status.ShouldBe(HttpStatusCode.NoContent);
        (await _farm.Host.Result(task.LeaseId)).ShouldBeOfType<TaskFailed>().Code.ShouldBe("ABORTED");
        await Until(() => Children.Named(mark).Length == 0);
    }

    [Fact]
    public async Task Frames_through_shared_memory_are_those_through_the_pipe()
    {
        async Task<SegmentFiles> Segment(bool room) => await _farm.Segment(_film, _farm.Template(new { room, faults = new Dictionary<string, string> { ["4"] = room ? "resize" : "slow" } }), 0, 10);
        // The manifests name their templates, which differ; the films do not.
        (await Segment(room: true)).SegmentDigest.ShouldBe((await Segment(room: false)).SegmentDigest);
    }

    [Fact]
    public async Task An_engine_that_waits_for_its_frames_to_be_taken_does_not_hang()
    {
        var folder = Directory.CreateTempSubdirectory("flatrender-engine-").FullName;
        var template = Path.Combine(folder, "template.json");
        await File.WriteAllTextAsync(template, """{"room":true}""");
        var timers = new TimersByHand();
        await using var engine = await Engine.Start("faulty", Path.Combine(AppContext.BaseDirectory, "engines", "faulty.mjs"), folder, new EngineLimits(300, TimeSpan.FromSeconds(60), 60), await Confinement.Probe(default), timers, default);
        await engine.Load(new Scene("faulty", "", 64, 48, "#ffffff", new Rect(0, 0, 64, 48)), template, default);
        var (held, all, taking) = (new List<IMemoryOwner<byte>>(), new TaskCompletionSource(), false);

        var drawing = engine.Draw([.. Enumerable.Range(0, 10).Select(i => (i, (double)i))], 64 * 48 * 4, (_, frame) =>
        {
            if (taking) frame.Dispose();
            else held.Add(frame);
            if (held.Count == 3) all.TrySetResult();
            return ValueTask.CompletedTask;
        }, default);
        await all.Task.WaitAsync(TestTime.Patience);
        // Nobody takes a frame until all patience with the engine would have ended.
        for (var i = 0; i < 100; i++)
        {
            timers.RunOut();
            await Task.Yield();
        }

        taking = true;
        foreach (var frame in held) frame.Dispose();
        await drawing.WaitAsync(TestTime.Patience);
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task A_slot_that_is_none_is_a_broken_protocol()
    {
        var failed = await _farm.Do<TaskFailed>(_farm.Rendering(_film, _farm.Template(new { room = true, faults = new Dictionary<string, string> { ["4"] = "slot" } }), 0, 10));
        (failed.Code, failed.Reason).ShouldBe(("ENGINE_CRASHED", "The faulty engine broke its protocol: there is no slot 3."));
    }

    [Fact]
    public async Task A_refused_template_is_no_crash()
    {
        var failed = await _farm.Do<TaskFailed>(_farm.Rendering(_film, _farm.Template(new { invalid = "There are no layers." }), 0, 10));
        (failed.Code, failed.Reason).ShouldBe(("TEMPLATE_INVALID", "There are no layers."));
        (await _farm.Do<TaskFailed>(_farm.Rendering(_film, new string('2', 64), 0, 10))).Code.ShouldBe("NODE_FAULT");
        await NextWorks();
    }

    [Fact]
    public async Task An_engine_stays_warm_for_the_same_template_only()
    {
        var template = _farm.Template(new { name = "warm" });
        await _farm.Segment(_film, template, 0, 2);
        var warm = Children.Engines(Environment.ProcessId, _farm.Settings.Home).ShouldHaveSingleItem();
        await _farm.Segment(_film, template, 2, 2);
        Children.Engines(Environment.ProcessId, _farm.Settings.Home).ShouldBe([warm]);
        await _farm.Segment(_film, _farm.Template(new { name = "other" }), 0, 2);
        Children.Engines(Environment.ProcessId, _farm.Settings.Home).ShouldHaveSingleItem().ShouldNotBe(warm);
    }

    [Fact]
    public async Task An_abort_kills_the_child()
    {
        var task = _farm.Rendering(_film, Faulty("3", "hang"), 0, 10);
        (await _farm.Host.Assign(_farm.Node, task)).ShouldBe(HttpStatusCode.Accepted);
        await Until(() => _farm.Host.Progress.Any(p => p.LeaseId == task.LeaseId && p.Done == 3));
        var engine = Children.Engines(Environment.ProcessId, _farm.Settings.Home).ShouldHaveSingleItem();
        (await _farm.Host.Call(_farm.Node, HttpMethod.Delete, $"/v1/tasks/{task.LeaseId}")).Status.ShouldBe(HttpStatusCode.NoContent);
        (await _farm.Host.Result(task.LeaseId)).ShouldBeOfType<TaskFailed>().Code.ShouldBe("ABORTED");
        Directory.Exists($"/proc/{engine}").ShouldBeFalse();
        await NextWorks();
    }

    [Fact]
    public async Task The_hosts_orders_abort_too()
    {
        var task = _farm.Rendering(_film, Faulty("3", "hang"), 0, 10);
        (await _farm.Host.Assign(_farm.Node, task)).ShouldBe(HttpStatusCode.Accepted);
        _farm.Host.ToAbort.Add(task.LeaseId);
        (await _farm.Host.Result(task.LeaseId)).ShouldBeOfType<TaskFailed>().Code.ShouldBe("ABORTED");
    }

    [Fact]
    public async Task A_result_is_told_until_the_host_answers()
    {
        foreach (var answer in new[] { HttpStatusCode.InternalServerError, HttpStatusCode.ServiceUnavailable }) _farm.Host.ResultAnswers.Enqueue(answer);
        await NextWorks();
        _farm.Host.ResultPosts.ShouldBe(3);
        _farm.Host.ResultAnswers.Enqueue(HttpStatusCode.Conflict);
        (await _farm.Host.Assign(_farm.Node, _farm.Rendering(_film, _farm.Template(new { name = "late" }), 0, 1))).ShouldBe(HttpStatusCode.Accepted);
        await Until(() => _farm.Host.ResultPosts == 4);
        await NextWorks();
        _farm.Host.ResultPosts.ShouldBe(5);
    }

    [Fact]
    public async Task A_host_that_forgot_the_node_is_told_again_and_work_goes_on()
    {
        var task = _farm.Rendering(_film, Faulty("*", "slow"), 0, 10);
        (await _farm.Host.Assign(_farm.Node, task)).ShouldBe(HttpStatusCode.Accepted);
        _farm.Host.ForgetsNodes = true;
        (await _farm.Host.Registered()).NodeId.ShouldBe(_farm.Agent.Registration.NodeId);
        (await _farm.Host.Result(task.LeaseId)).ShouldBeOfType<TaskRendered>();
    }

    [Fact]
    public async Task Progress_is_told_with_a_small_picture()
    {
        var film = Farm.Film(640, 360, 12);
        var task = _farm.Rendering(film, Faulty("*", "slow"), 0, 12);
        var since = Stopwatch.StartNew();
        await _farm.Do<TaskRendered>(task);
        var seconds = since.Elapsed.TotalSeconds;
        var told = _farm.Host.Progress.Where(p => p.LeaseId == task.LeaseId).ToArray();
        told.Length.ShouldBeInRange(3, 1 + (int)(seconds / 0.25));
        told.Select(p => p.Done).ShouldBeInOrder(SortDirection.Ascending);
        var previews = told.Select(p => p.Preview).OfType<string>().ToArray();
        previews.Length.ShouldBeInRange(1, 1 + (int)(seconds / 2));
        previews[0].ShouldStartWith("data:image/jpeg;base64,");
        previews[0].Length.ShouldBeLessThan(20_000);
    }

    [Fact]
    public async Task A_drained_node_finishes_takes_nothing_and_leaves()
    {
        var task = _farm.Rendering(_film, Faulty("*", "slow"), 0, 10);
        (await _farm.Host.Assign(_farm.Node, task)).ShouldBe(HttpStatusCode.Accepted);
        (await _farm.Host.Call(_farm.Node, HttpMethod.Post, "/v1/drain")).Status.ShouldBe(HttpStatusCode.Accepted);
        (await _farm.Host.Assign(_farm.Node, task with { LeaseId = Farm.Lease() })).ShouldBe(HttpStatusCode.Gone);
        (await _farm.Host.Result(task.LeaseId)).ShouldBeOfType<TaskRendered>();
        await _farm.Agent.Ended.WaitAsync(TestTime.Patience);
        await _farm.Agent.DisposeAsync();
        await _farm.Host.Left.Task.WaitAsync(TestTime.Patience);
        Children.Engines(Environment.ProcessId, _farm.Settings.Home).ShouldBeEmpty();
        Directory.Exists(Path.Combine(_farm.Settings.Home, "scratch")).ShouldBeFalse();
    }

    [Fact]
    public async Task A_goodbye_has_five_seconds_to_be_heard()
    {
        var clock = new TimersByHand();
        await using var farm = await Farm.Start(slots: 1, clock: clock);
        var answer = new TaskCompletionSource();
        farm.Host.BeforeGoodbye = answer.Task;
        // Its heart beats: it knows that it was taken in.
        await Until(() => clock.Started.Contains(TimeSpan.FromSeconds(0.2)));
        clock.Started.Clear();
        var leaving = farm.Agent.DisposeAsync().AsTask();
        await farm.Host.Left.Task.WaitAsync(TestTime.Patience);
        // Its own patience, and that of any call home.
        clock.Started.Select(t => t.TotalSeconds).ShouldBe([5, 10]);
        answer.SetResult();
        await leaving.WaitAsync(TestTime.Patience);
    }

    [Fact]
    public async Task A_node_that_no_call_reached_hears_in_its_heartbeat_that_it_is_to_drain()
    {
        _farm.Host.Drains = true;
        await _farm.Agent.Ended.WaitAsync(TestTime.Patience);
        (await _farm.Host.Assign(_farm.Node, _farm.Rendering(_film, _farm.Template(new { name = "late" }), 0, 1))).ShouldBe(HttpStatusCode.Gone);
    }

    /// <summary>Waits for something that another process brings about.</summary>
    internal static async Task Until(Func<bool> there)
    {
        using var patience = new CancellationTokenSource(TestTime.Patience);
        using var look = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (!there()) await look.WaitForNextTickAsync(patience.Token);
    }
}

/// <summary>The engine children of an agent, found by parent and working folder.</summary>
static class Children
{
    public static int[] Engines(int agent, string home) =>
        [.. Process.GetProcesses().Select(p => p.Id).Where(id => Parent(id) == agent && Folder(id).StartsWith(home, StringComparison.Ordinal) && Words(id).Contains(".mjs"))];

    public static int[] All(int agent) => [.. Process.GetProcesses().Select(p => p.Id).Where(id => Parent(id) == agent)];

    /// <summary>Whoever has this word in its command line.</summary>
    public static int[] Named(string word) => [.. Process.GetProcesses().Select(p => p.Id).Where(id => id != Environment.ProcessId && Words(id).Contains(word))];

    static int Parent(int pid)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{pid}/stat");
            return int.Parse(stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[1]);
        }
        catch (IOException)
        {
            return -1;
        }
    }

    static string Folder(int pid)
    {
        try
        {
            return File.ResolveLinkTarget($"/proc/{pid}/cwd", false)?.FullName ?? "";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }

    static string Words(int pid)
    {
        try
        {
            return File.ReadAllText($"/proc/{pid}/cmdline");
        }
        catch (IOException)
        {
            return "";
        }
    }
}
