using System.Net;
using FlatRender.Contracts;
using Microsoft.AspNetCore.Http;
using Shouldly;
using Xunit;

namespace FlatRender.NodeAgent.Tests;

/// <summary>A host that is away is waited for: that its files do not come is no fault of the render.</summary>
public sealed class FileSpecs : IAsyncLifetime
{
    static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(5);
    readonly FilmSpec _film = Farm.Film(64, 48, 10);
    readonly string _folder = Directory.CreateTempSubdirectory("flatrender-files-").FullName;
    readonly TimersByHand _clock = new(LongestPause);
    Orchestrator _host = null!;
    Home _home = null!;
    Files _files = null!;
    int _asked;

    public async Task InitializeAsync()
    {
        _host = await Orchestrator.Start();
        _home = new Home([_host.Url], Orchestrator.Token, new(Guid.NewGuid()), _clock);
        _files = new Files(_home, Path.Combine(_folder, "files"), 64 << 20, _clock);
    }

    public async Task DisposeAsync()
    {
        _home.Dispose();
        await _host.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>The host answers so, the first so many times.</summary>
    Func<HttpContext, Task<bool>> Badly(string how, int times) => async context =>
    {
        if (Interlocked.Increment(ref _asked) > times) return false;
        if (int.TryParse(how, out var status))
        {
            context.Response.StatusCode = status;
            return true;
        }
        if (how == "cut") context.Abort();
        else
        {
            context.Response.ContentLength = 1000;
            await context.Response.Body.WriteAsync(new byte[500]);
        }
        return true;
    };

    TimeSpan[] Pauses => [.. _clock.Started.Where(t => t <= LongestPause)];

    static TimeSpan[] Growing(int count) => [.. Enumerable.Range(0, count).Select(i => Math.Min(5, 0.2 * Math.Pow(2, i))).Select(TimeSpan.FromSeconds)];

    string Written(string text)
    {
        var path = Path.Combine(_folder, Path.GetRandomFileName());
        File.WriteAllText(path, text);
        return path;
    }

    [Theory]
    [InlineData("503")]
    [InlineData("500")]
    [InlineData("429")]
    [InlineData("408")]
    [InlineData("cut")]
    [InlineData("half")]
    public async Task A_file_is_asked_for_until_the_host_gives_it(string how)
    {
        var digest = _host.Store(new { name = how });
        _host.FileDoor = Badly(how, 20);
        using var file = await _files.Fetch(digest, default);
        (await Files.DigestOf(file.Path, default)).ShouldBe(digest);
        Pauses.ShouldBe(Growing(20));
    }

    [Theory]
    [InlineData("503")]
    [InlineData("cut")]
    public async Task A_file_is_sent_until_the_host_takes_it(string how)
    {
        _host.FileDoor = Badly(how, 20);
        using var file = await _files.Send(Written("made"), default);
        _host.Blobs.Keys.ShouldBe([file.Digest]);
        Pauses.ShouldBe(Growing(20));
    }

    [Fact]
    public async Task A_host_that_cannot_be_reached_is_waited_for_until_the_callers_time_is_over()
    {
        using var home = new Home([new("http://127.0.0.1:1")], Orchestrator.Token, new(Guid.NewGuid()), _clock);
        using var time = new CancellationTokenSource();
        var fetching = new Files(home, Path.Combine(_folder, "none"), 1 << 20, _clock).Fetch(new string('1', 64), time.Token);
        await LifeSpecs.Until(() => Pauses.Length > 20);
        await time.CancelAsync();
        (await Assert.ThrowsAsync<OperationCanceledException>(() => fetching)).Message.ShouldContain("refused");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_host_that_says_nothing_is_asked_again(bool sends)
    {
        var digest = _host.Store(new { name = "silent" });
        var silent = new TaskCompletionSource();
        _host.FileDoor = async context =>
        {
            if (Interlocked.Increment(ref _asked) > 1) return false;
            silent.SetResult();
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
            return true;
        };
        var moving = sends ? _files.Send(Written("made"), default) : _files.Fetch(digest, default);
        await silent.Task.WaitAsync(TestTime.Patience);
        _clock.RunOut();
        using var file = await moving.WaitAsync(TestTime.Patience);
        _asked.ShouldBe(2);
    }

    [Fact]
    public async Task What_does_not_pass_by_itself_is_tried_six_times()
    {
        _host.FileDoor = Badly("422", int.MaxValue);
        (await Should.ThrowAsync<HttpRequestException>(_files.Send(Written("made"), default))).StatusCode.ShouldBe(HttpStatusCode.UnprocessableEntity);
        _asked.ShouldBe(6);
        _asked = 0;
        _host.FileDoor = async context =>
        {
            Interlocked.Increment(ref _asked);
            await context.Response.WriteAsync("something else");
            return true;
        };
        (await Should.ThrowAsync<BlobMissing>(_files.Fetch(new string('1', 64), default))).Message.ShouldContain(new string('1', 64));
        _asked.ShouldBe(6);
    }

    [Theory]
    [InlineData("template")]
    [InlineData("segment.mp4")]
    public async Task No_engine_is_blamed_when_the_time_ran_out_while_a_file_was_waited_for(string what)
    {
        var clock = new TimersByHand();
        await using var farm = await Farm.Start(slots: 1, clock: clock);
        var template = farm.Template(new { name = "late" });
        farm.Host.FileDoor = context => what == "template" || context.Request.Method == "PUT" ? Badly("503", int.MaxValue)(context) : Task.FromResult(false);
        var task = farm.Rendering(_film, template, 0, 10);
        (await farm.Host.Assign(farm.Node, task)).ShouldBe(HttpStatusCode.Accepted);
        await Waits(clock);
        clock.RunOut();
        var failed = (await farm.Host.Result(task.LeaseId)).ShouldBeOfType<TaskFailed>();
        failed.Code.ShouldBe("NODE_FAULT");
        failed.Reason.ShouldStartWith($"The task was not done within 60 s: {(what == "template" ? $"file {template} had not come" : "its segment.mp4 had not been taken")} (Response status code does not indicate success: 503");
    }

    [Fact]
    public async Task The_little_time_that_an_absent_host_left_is_not_the_engines()
    {
        var clock = new TimersByHand();
        await using var farm = await Farm.Start(slots: 1, clock: clock);
        farm.Host.FileDoor = Badly("503", 1);
        var task = farm.Rendering(_film, farm.Template(new { faults = new Dictionary<string, string> { ["4"] = "hang" } }), 0, 10);
        (await farm.Host.Assign(farm.Node, task)).ShouldBe(HttpStatusCode.Accepted);
        await Waits(clock);
        clock.Pass(TimeSpan.FromSeconds(40));
        await LifeSpecs.Until(() =>
        {
            clock.RunOut(LongestPause);
            return farm.Host.Progress.Any(p => p.Done == 4);
        });
        clock.RunOut();
        var failed = (await farm.Host.Result(task.LeaseId)).ShouldBeOfType<TaskFailed>();
        failed.Code.ShouldBe("NODE_FAULT");
        failed.Reason.ShouldMatch("^The task was not done within 60 s: 4[0-9] s went by until its files had come$");
    }

    [Fact]
    public async Task A_lease_that_was_lost_meanwhile_ends_the_wait()
    {
        var clock = new TimersByHand();
        await using var farm = await Farm.Start(slots: 1, clock: clock);
        var task = farm.Rendering(_film, farm.Template(new { name = "lost" }), 0, 10);
        farm.Host.FileDoor = Badly("503", int.MaxValue);
        (await farm.Host.Assign(farm.Node, task)).ShouldBe(HttpStatusCode.Accepted);
        await LifeSpecs.Until(() => Passes(Volatile.Read(ref _asked) > 20));
        farm.Host.ToAbort.Add(task.LeaseId);
        var result = farm.Host.Result(task.LeaseId);
        await LifeSpecs.Until(() => Passes(result.IsCompleted));
        (await result).ShouldBeOfType<TaskFailed>().Code.ShouldBe("ABORTED");

        bool Passes(bool enough)
        {
            if (!enough) clock.RunOut(LongestPause);
            return enough;
        }
    }

    /// <summary>Until the agent makes its first pause; the other one that is as long is its heart's.</summary>
    static Task Waits(TimersByHand clock) => LifeSpecs.Until(() => clock.Started.Count(t => t == TimeSpan.FromSeconds(0.2)) == 2);
}
