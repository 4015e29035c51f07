using System.Runtime.InteropServices;
using FlatRender.Contracts;

namespace FlatRender.NodeAgent.Work;

/// <summary>Where a task's time goes. Drawing and encoding overlap, so they do not add up to the wall clock.</summary>
sealed partial class Stopwatches(TimeProvider clock)
{
    public double Fetch, Start, Draw, Encode, Check, Store;
    double _cpu;

    public TimeProvider Clock => clock;

    public TaskTimes Times => new(Round(Fetch), Round(Start), Round(Draw), Round(Encode), Round(Check), Round(Store), Round(Volatile.Read(ref _cpu)));

    /// <summary>Adds processor seconds; stages run side by side.</summary>
    public void Cpu(double seconds)
    {
        double seen;
        do seen = Volatile.Read(ref _cpu);
        while (Interlocked.CompareExchange(ref _cpu, seen + seconds, seen) != seen);
    }

    /// <summary>Runs something that does not wait, and adds what it took of a processor.</summary>
    public void OnCpu(Action work)
    {
        var before = ThreadCpu();
        work();
        Cpu(ThreadCpu() - before);
    }

    static double ThreadCpu()
    {
        const int threadClock = 3;
        return GetTime(threadClock, out var time) == 0 ? time.Seconds + time.Nanoseconds * 1e-9 : 0;
    }

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int GetTime(int clock, out Timespec time);

    struct Timespec
    {
        public nint Seconds, Nanoseconds;
    }

    public long Now => clock.GetTimestamp();

    public double Since(long start) => clock.GetElapsedTime(start).TotalSeconds;

    static double Round(double seconds) => Math.Round(Math.Max(0, seconds), 4);
}
