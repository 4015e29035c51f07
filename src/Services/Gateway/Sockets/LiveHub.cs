using System.Collections.Concurrent;
using FlatRender.Contracts;
using FlatRender.EventStore;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace FlatRender.Gateway.Sockets;

/// <summary>
/// Who watches what in this gateway. A fact on the bus only says that a watched render has moved; what happened is then read from the store, in order and whole. So
/// nothing is missed where the bus repeats, reorders or loses, and any number of gateways need not know of each other.
/// </summary>
public sealed partial class LiveHub(Streams streams, LiveProgress live, LiveSnapshots snapshots, Vocabulary vocabulary, LiveLimits limits, TimeProvider clock, ILogger<LiveHub> log) : BackgroundService
{
    /// <summary>How often sockets are looked at: nothing that is looked for is due more exactly.</summary>
    static readonly TimeSpan Look = TimeSpan.FromMilliseconds(250);

    /// <summary>Renders asked about in one query.</summary>
    const int Many = 1000;

    readonly ConcurrentDictionary<JobId, LiveJob> _jobs = new();
    readonly ConcurrentDictionary<Watcher, byte> _watchers = new();
    readonly ConcurrentDictionary<JobId, byte> _moved = new();
    readonly Signal _signal = new();
    readonly Pace _pace = new(limits, clock);
    readonly Wheel _wheel = new(clock);
    volatile bool _leaving;

    internal Pace Pace => _pace;

    public LiveTally Tally => _pace.Tally;

    /// <summary>Sockets open now, and renders watched.</summary>
    public (int Sockets, int Renders) Count => (_watchers.Count, _jobs.Count);

    /// <summary>A render may have moved.</summary>
    public void Stir(JobId id)
    {
        if (!_jobs.ContainsKey(id)) return;
        _moved[id] = 0;
        _signal.Raise();
    }

    public void Progressed(RenderProgress progress)
    {
        live.Note(progress);
        if (_jobs.TryGetValue(progress.JobId, out var job)) job.Changed(progress.Preview);
    }

    /// <summary>A node has failed a render, whose work goes on with another.</summary>
    public void Troubled(JobId id, string what, NodeId node, string reason)
    {
        if (_jobs.TryGetValue(id, out var job)) job.Troubled(what, node, reason);
    }

    /// <summary>A socket is looked after from its first moment: also one that is only to be sent away.</summary>
    internal void Greet(Watcher watcher)
    {
        _watchers[watcher] = 0;
        if (_leaving) SendAway(watcher);
    }

    internal void Forget(Watcher watcher) => _watchers.TryRemove(watcher, out _);

    /// <summary>Subscribes first, then reads: what happens meanwhile is read after it.</summary>
    /// <returns>The render, to be left again; null when there is none of this id.</returns>
    internal async Task<LiveJob?> EnterAsync(JobId id, CancellationToken cancel)
    {
        LiveJob job;
        do job = _jobs.GetOrAdd(id, static (id, hub) => new LiveJob(id, hub.Live, hub.Words, hub.Pace, hub.Wheel), this);
        while (!job.Enter());
        try
        {
            // Also where others watch it already: the hello is as new as the store, not as the bus.
            job.Move(await streams.ReadBeyondAsync([id.Value], [job.Seq], cancel));
            if (job.Fold is not null)
            {
                Stir(id);
                return job;
            }
        }
        catch
        {
            Leave(job, null);
            throw;
        }

        Leave(job, null);
        return null;
    }

    LiveProgress Live => live;
    Wheel Wheel => _wheel;
    Vocabulary Words => vocabulary;

    internal void Leave(LiveJob job, Watcher? watcher)
    {
        if (!job.Leave(watcher)) return;
        _jobs.TryRemove(new(job.Id, job));
    }

    /// <summary>The house closes: everybody is sent on to another gateway.</summary>
    public void SendAllAway()
    {
        _leaving = true;
        foreach (var (watcher, _) in _watchers) SendAway(watcher);
    }

    static void SendAway(Watcher watcher) => watcher.Outbox.Close(LiveClose.GoingAway, "the server is going away");

    protected override async Task ExecuteAsync(CancellationToken stopping)
    {
        await using var look = clock.CreateTimer(_ => LookAround(), null, Look, Look);
        var asked = _pace.Now;
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                await _signal.WaitAsync(limits.Resync, clock, stopping);
                var everything = clock.GetElapsedTime(asked) >= limits.Resync;
                if (everything) asked = _pace.Now;
                await FollowAsync(everything ? _jobs.Keys : _moved.Keys, stopping);
                if (everything) await snapshots.LookAsync(stopping);
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                return;
            }
            catch (NpgsqlException e)
            {
                // Nothing is forgotten: the next look at everything finds it.
                Blind(e);
            }
        }
    }

    async Task FollowAsync(ICollection<JobId> ids, CancellationToken cancel)
    {
        foreach (var some in ids.Chunk(Many))
        {
            var jobs = new Dictionary<Guid, LiveJob>();
            foreach (var id in some)
            {
                // Taken off the list before it is read: what comes after is put on it again.
                _moved.TryRemove(id, out _);
                if (_jobs.TryGetValue(id, out var job) && job.Seq > 0) jobs[id.Value] = job;
            }

            if (jobs.Count == 0) continue;
            var facts = await streams.ReadBeyondAsync([.. jobs.Keys], [.. jobs.Values.Select(j => j.Seq)], cancel);
            foreach (var its in facts.GroupBy(f => f.StreamId)) jobs[its.Key].Move([.. its]);
        }
    }

    public override void Dispose()
    {
        _wheel.Dispose();
        base.Dispose();
    }

    void LookAround()
    {
        var now = _pace.Now;
        foreach (var (watcher, _) in _watchers) watcher.Tick(now);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The store does not answer; live sockets hear of nothing until it does.")]
    partial void Blind(Exception e);
}
