namespace FlatRender.Gateway.Sockets;

/// <summary>
/// One timer for the beats of all renders, in turns: whatever comes due within a turn goes out at its end, together. Waking up costs this process more than a message
/// does, so it wakes up once for many.
/// </summary>
sealed class Wheel(TimeProvider clock) : IDisposable
{
    static readonly TimeSpan Turn = TimeSpan.FromMilliseconds(100);

    readonly Lock _gate = new();
    readonly PriorityQueue<LiveJob, long> _due = new();
    readonly long _turn = (long)(Turn.TotalSeconds * clock.TimestampFrequency);
    ITimer? _timer;
    long _rings = long.MaxValue;

    /// <summary>The render's <see cref="LiveJob.Show"/> is called at the end of the turn in which this moment lies.</summary>
    public void Add(LiveJob job, long at)
    {
        lock (_gate)
        {
            _due.Enqueue(job, at);
            Set();
        }
    }

    void Set()
    {
        if (!_due.TryPeek(out _, out var first)) return;
        var rings = (first / _turn + 1) * _turn;
        if (rings >= _rings) return;
        _rings = rings;
        // Rounded up: when it rings, the time has come.
        var wait = TimeSpan.FromMilliseconds(Math.Ceiling(Math.Max(0, rings - clock.GetTimestamp()) * 1000.0 / clock.TimestampFrequency));
        if (_timer is null) _timer = clock.CreateTimer(static wheel => ((Wheel)wheel!).Ring(), this, wait, Timeout.InfiniteTimeSpan);
        else _timer.Change(wait, Timeout.InfiniteTimeSpan);
    }

    void Ring()
    {
        var now = clock.GetTimestamp();
        var jobs = new List<LiveJob>();
        lock (_gate)
        {
            while (_due.TryPeek(out _, out var at) && at <= now) jobs.Add(_due.Dequeue());
            _rings = long.MaxValue;
            Set();
        }

        foreach (var job in jobs) job.Show();
    }

    public void Dispose() => _timer?.Dispose();
}
