using System.Diagnostics;

namespace FlatRender.Cli.Tests;

/// <summary>The private PostgreSQL after only its first process was killed: the others need a moment to end.</summary>
public sealed class DatabaseSpecs : IAsyncLifetime
{
    readonly Desk _desk = new();
    readonly SeenClock _clock = new();
    readonly PrivatePostgres _postgres;
    ProcessMark _server = null!;

    public DatabaseSpecs() => _postgres = new(_desk.Home, "postgres", durable: false, "word", _clock);

    string Data => Directory.GetDirectories(_desk.Home.Folder, "postgres").Select(d => Path.Combine(d, "data")).Single();
    string Note => Path.Combine(Data, "postmaster.pid");

    public async Task InitializeAsync()
    {
        _desk.Home.Prepare();
        (_server, _) = await _postgres.StartAsync(default);
    }

    public async Task DisposeAsync()
    {
        foreach (var pid in Workers())
            await Signal("KILL", pid);
        await Wait.UntilAsync(() => Workers().Length == 0);
        _desk.Dispose();
    }

    int[] Workers() => [.. Process.GetProcesses().Select(p => p.Id).Where(pid => FolderOf(pid) == Data)];

    static string? FolderOf(int pid)
    {
        try
        {
            return new FileInfo($"/proc/{pid}/cwd").LinkTarget;
        }
        catch (IOException)
        {
            return null;
        }
    }

    static async Task Signal(string name, int pid)
    {
        using var kill = Process.Start("kill", [$"-{name}", $"{pid}"]);
        await kill.WaitForExitAsync();
    }

    /// <summary>Kills the server while one of its processes is frozen, so that this one is still there however fast the machine is.</summary>
    async Task<int> KillAllButOneAsync()
    {
        var left = Workers().First(pid => pid != _server.Pid);
        await Signal("STOP", left);
        await _server.StopAsync(Signals.Kill, Wait.Patience, TimeProvider.System);
        return left;
    }

    /// <summary>A start that has come to its first wait, or to its end.</summary>
    async Task<Task<(ProcessMark Process, int Port)>> StartAndWaitAsync()
    {
        var before = _clock.Waits;
        var starting = _postgres.StartAsync(default);
        await Wait.UntilAsync(() => _clock.Waits > before || starting.IsCompleted);
        return starting;
    }

    [Fact]
    public async Task The_next_one_waits_until_the_last_process_of_a_killed_one_has_ended()
    {
        var left = await KillAllButOneAsync();
        var starting = await StartAndWaitAsync();
        File.ReadLines(Note).First().ShouldBe($"{_server.Pid}", "another was started beside it");
        starting.IsCompleted.ShouldBeFalse();

        await Signal("CONT", left);

        var next = await starting;
        next.Process.IsAlive.ShouldBeTrue();
        next.Process.ShouldNotBe(_server);
        ProcessMark.Of(left).ShouldBeNull();
    }

    [Fact]
    public async Task What_never_ends_is_told_and_the_next_try_may_do()
    {
        var left = await KillAllButOneAsync();
        var starting = await StartAndWaitAsync();
        _clock.Ahead = TimeSpan.FromSeconds(31);
        (await Should.ThrowAsync<Refusal>(() => starting)).Message.ShouldEndWith($"end what is left of it (process {left}) and try again");

        await Signal("KILL", left);

        (await _postgres.StartAsync(default)).Process.IsAlive.ShouldBeTrue();
    }

    [Fact]
    public async Task One_that_is_killed_before_it_is_ready_is_replaced()
    {
        await Signal("STOP", _server.Pid);
        File.WriteAllLines(Note, [.. File.ReadAllLines(Note).SkipLast(1), "starting"]);
        var starting = await StartAndWaitAsync();
        starting.IsCompleted.ShouldBeFalse();

        await Signal("KILL", _server.Pid);

        (await starting).Process.ShouldNotBe(_server);
    }

    /// <summary>The real clock, set forward by hand, that tells how often it was waited on.</summary>
    sealed class SeenClock : TimeProvider
    {
        int _waits;

        public int Waits => Volatile.Read(ref _waits);
        public TimeSpan Ahead { get; set; }

        public override long GetTimestamp() => base.GetTimestamp() + (long)(Ahead.TotalSeconds * TimestampFrequency);

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            Interlocked.Increment(ref _waits);
            return base.CreateTimer(callback, state, dueTime, period);
        }
    }
}
