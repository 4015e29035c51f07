using System.Diagnostics;
using System.Globalization;
using System.IO.Pipes;
using System.Text;

namespace FlatRender.NodeAgent.Children;

/// <summary>What to start and how much it may use.</summary>
/// <param name="MemoryMb">Killed above this; null: no limit.</param>
/// <param name="Network">Only for commands whose owner says that they need it.</param>
/// <param name="Untrusted">It draws what strangers made.</param>
/// <param name="Room">It inherits this memory.</param>
sealed record ChildPlan(string What, IReadOnlyList<string> Command, string Folder, int? MemoryMb, bool Network = false, bool Untrusted = false, FrameRoom? Room = null);

/// <summary>A supervised child process: its pipes, the tail of what it complained, its processor time, and its end.</summary>
sealed class Child : IAsyncDisposable
{
    const int TailLength = 4000;
    readonly Process _process;
    readonly ChildPlan _plan;
    readonly StringBuilder _complaints = new();
    readonly Task _listening, _watching;
    string? _killedBecause;
    double _cpu, _cpuLimit = double.PositiveInfinity;

    Child(Process process, ChildPlan plan, TimeProvider clock)
    {
        (_process, _plan) = (process, plan);
        Widen(process.StandardInput.BaseStream);
        Widen(process.StandardOutput.BaseStream);
        Ended = process.WaitForExitAsync();
        _listening = Listen();
        _watching = Watch(clock);
    }

    public static async Task<Child> Start(ChildPlan plan, Confinement confinement, TimeProvider clock)
    {
        var words = confinement.Wrap(plan);
        var start = new ProcessStartInfo(words[0], words.Skip(1)) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = plan.Folder };
        // A child draws untrusted templates: it gets no secret of ours.
        start.Environment.Remove(Settings.TokenVariable);
        start.Environment.Remove(Settings.SecretVariable);
        start.Environment["TMPDIR"] = plan.Folder;
        return new(await Nursery.Start(start, plan.Room), plan, clock);
    }

    public int Pid => _process.Id;
    public Stream Input => _process.StandardInput.BaseStream;

    /// <summary>The number by which both ends know the pipe of its input; null where the machine does not tell.</summary>
    public long? InputNumber => Input is PipeStream pipe && new FileInfo($"/proc/self/fd/{pipe.SafePipeHandle.DangerousGetHandle()}").LinkTarget is ['p', 'i', 'p', 'e', ':', '[', .. var number, ']'] ? long.Parse(number, CultureInfo.InvariantCulture) : null;

    public Stream Output => _process.StandardOutput.BaseStream;
    public Task Ended { get; }
    public bool HasEnded => Ended.IsCompleted;

    /// <summary>Seconds of processor time so far.</summary>
    public double Cpu
    {
        get
        {
            if (!HasEnded && Facts() is { } facts) Keep(facts.Cpu);
            return Volatile.Read(ref _cpu);
        }
    }

    /// <summary>It may use so many seconds of processor time from here on.</summary>
    public void Allow(double cpuSeconds) => Volatile.Write(ref _cpuLimit, Cpu + cpuSeconds);

    /// <summary>Of it and, where it is limited, of all that it started.</summary>
    ProcessFacts? Facts() => _plan.MemoryMb is null ? ProcessFacts.Of(Pid) : ProcessFacts.OfAll(Pid);

    public void Kill(string because)
    {
        _killedBecause ??= because;
        if (!_process.HasExited) _process.Kill(entireProcessTree: true);
    }

    public async Task<int> Wait(CancellationToken ct)
    {
        using var stop = ct.Register(() => Kill("the task was stopped"));
        await Ended;
        await _listening;
        await _watching;
        ct.ThrowIfCancellationRequested();
        return _process.ExitCode;
    }

    /// <summary>A sentence about how it ended, with the last lines it wrote.</summary>
    public string Obituary()
    {
        var how = _killedBecause is { } why ? $"{_plan.What} was killed: {why}."
            : !HasEnded ? $"{_plan.What} is still running."
            : _process.ExitCode > 128 ? $"{_plan.What} died of signal {_process.ExitCode - 128}."
            : $"{_plan.What} ended with code {_process.ExitCode}.";
        var said = Complaints();
        return said.Length == 0 ? how : $"{how} It said: {said}";
    }

    public string Complaints()
    {
        lock (_complaints) return _complaints.ToString().Trim();
    }

    async Task Listen()
    {
        while (await _process.StandardError.ReadLineAsync() is { } line)
        {
            // ffmpeg counts its own processor time at the end, better than we can from outside.
            if (line.Contains("bench: utime=", StringComparison.Ordinal))
            {
                if (BenchCpu(line) is { } seconds) Keep(seconds);
                continue;
            }
            if (line.Contains("[info]", StringComparison.Ordinal) || line.Contains("bench: maxrss", StringComparison.Ordinal)) continue;
            lock (_complaints)
            {
                _complaints.AppendLine(line);
                if (_complaints.Length > TailLength) _complaints.Remove(0, _complaints.Length - TailLength);
            }
        }
    }

    /// <summary>Processor time only grows; whoever saw more is right.</summary>
    void Keep(double cpu)
    {
        lock (_complaints) _cpu = Math.Max(_cpu, cpu);
    }

    static double? BenchCpu(string line)
    {
        var numbers = line.Split(["utime=", "stime=", "s "], StringSplitOptions.RemoveEmptyEntries).Select(t => double.TryParse(t, NumberStyles.Float, CultureInfo.InvariantCulture, out var n) ? n : (double?)null).OfType<double>().Take(2).ToArray();
        return numbers.Length == 2 ? numbers[0] + numbers[1] : null;
    }

    async Task Watch(TimeProvider clock)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(100), clock);
        while (!Ended.IsCompleted)
        {
            if (Facts() is { } facts)
            {
                Keep(facts.Cpu);
                if (_plan.MemoryMb is { } limit && facts.ResidentBytes > limit * 1048576L) Kill($"it held {facts.ResidentBytes / 1048576} MB of memory, the limit is {limit} MB");
                if (facts.Cpu > Volatile.Read(ref _cpuLimit)) Kill($"it used more processor time than it was given, {facts.Cpu:0.#} s in all");
            }
            await Task.WhenAny(Ended, timer.WaitForNextTickAsync().AsTask());
        }
    }

    /// <summary>A frame is megabytes and a pipe holds 64 KiB: a larger one saves most of the switching back and forth. A kernel that refuses changes nothing but speed.</summary>
    static void Widen(Stream stream)
    {
        const int setPipeSize = 1031;
        if (OperatingSystem.IsLinux() && stream is PipeStream pipe) _ = Descriptor.Control(pipe.SafePipeHandle, setPipeSize, 1 << 20);
    }

    public async ValueTask DisposeAsync()
    {
        Kill("it is not needed any more");
        await Ended;
        await _listening;
        await _watching;
        _process.Dispose();
    }
}
