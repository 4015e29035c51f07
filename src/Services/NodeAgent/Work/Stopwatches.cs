using FlatRender.Contracts;

namespace FlatRender.NodeAgent.Work;

/// <summary>Where a task's time goes. Drawing and encoding overlap, so they do not add up to the wall clock.</summary>
sealed class Stopwatches(TimeProvider clock)
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

    public long Now => clock.GetTimestamp();

    public double Since(long start) => clock.GetElapsedTime(start).TotalSeconds;

    static double Round(double seconds) => Math.Round(Math.Max(0, seconds), 4);
}
