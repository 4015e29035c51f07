using System.Collections.Concurrent;
using FlatRender.Contracts;

namespace FlatRender.Render;

/// <summary>How far each render is, right now: kept in memory, told at most four times a second, never stored.</summary>
sealed class LiveBoard(Tell tell, TimeProvider clock)
{
    static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(250);

    readonly ConcurrentDictionary<JobId, Line> _jobs = new();
    readonly ConcurrentDictionary<LeaseId, JobId> _leases = new();

    sealed class Line
    {
        public int Total, Settled;
        public DateTimeOffset Told;
        public readonly Dictionary<LeaseId, (int Done, double FramesPerSecond)> Open = [];
    }

    public void Leased(LeaseId lease, JobId job) => _leases[lease] = job;

    public void Ended(LeaseId lease)
    {
        if (!_leases.TryRemove(lease, out var job) || !_jobs.TryGetValue(job, out var line)) return;
        lock (line) line.Open.Remove(lease);
    }

    /// <summary>What the book says: chunks that are in. Live figures start from here.</summary>
    public void Settle(JobId job, int total, int settled)
    {
        var line = _jobs.GetOrAdd(job, _ => new Line());
        lock (line) (line.Total, line.Settled) = (total, settled);
        Tell(job, line, null);
    }

    public void Progressed(NodeProgress progress)
    {
        if (!_leases.TryGetValue(progress.LeaseId, out var job) || !_jobs.TryGetValue(job, out var line)) return;
        lock (line) line.Open[progress.LeaseId] = (progress.Done, progress.FramesPerSecond);
        Tell(job, line, progress.Preview);
    }

    public void Forget(JobId job) => _jobs.TryRemove(job, out _);

    void Tell(JobId job, Line line, string? preview)
    {
        RenderProgress progress;
        lock (line)
        {
            var now = clock.GetUtcNow();
            if (preview is null && line.Settled < line.Total && now - line.Told < Pace) return;
            line.Told = now;
            var done = Math.Min(line.Total, line.Settled + line.Open.Values.Sum(o => o.Done));
            var speed = line.Open.Values.Sum(o => o.FramesPerSecond);
            progress = new(job, done, line.Total, speed > 0 ? Math.Round((line.Total - done) / speed, 1) : null, line.Open.Count, Math.Round(speed, 1), preview);
        }

        // Nobody waits for it, and a lost one is replaced by the next.
        _ = tell(progress, CancellationToken.None);
    }
}
