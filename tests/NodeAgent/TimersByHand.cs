using System.Collections.Concurrent;

namespace FlatRender.NodeAgent.Tests;

/// <summary>Timers that run out when a test says so; those of up to <paramref name="atOnce"/> need no telling.</summary>
sealed class TimersByHand(TimeSpan atOnce = default) : TimeProvider
{
    readonly List<Timer> _running = [];
    long _ahead;

    /// <summary>How long each was to be that rings once, in the order of their start.</summary>
    public ConcurrentQueue<TimeSpan> Started { get; } = [];

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new Timer(this, dueTime, () => callback(state));
        lock (_running) _running.Add(timer);
        if (period == Timeout.InfiniteTimeSpan) Started.Enqueue(dueTime);
        if (dueTime <= atOnce) ThreadPool.QueueUserWorkItem(_ => timer.Ring());
        return timer;
    }

    /// <summary>Who looks at this clock sees that so much has passed; no timer rings for it.</summary>
    public void Pass(TimeSpan time) => Interlocked.Add(ref _ahead, (long)(time.TotalSeconds * TimestampFrequency));

    public override long GetTimestamp() => base.GetTimestamp() + Volatile.Read(ref _ahead);

    /// <summary>All of them, or those that were started for at most so long.</summary>
    public void RunOut(TimeSpan? atMost = null)
    {
        Timer[] these;
        lock (_running) these = [.. _running.Where(t => atMost is null || t.Due <= atMost)];
        foreach (var timer in these) timer.Ring();
    }

    sealed record Timer(TimersByHand Home, TimeSpan Due, Action Ring) : ITimer
    {
        public bool Change(TimeSpan dueTime, TimeSpan period) => true;

        public void Dispose()
        {
            lock (Home._running) Home._running.Remove(this);
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
