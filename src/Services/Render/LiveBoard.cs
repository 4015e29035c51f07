using System.Collections.Concurrent;
using FlatRender.Contracts;
using MassTransit;

namespace FlatRender.Render;

/// <summary>
/// How far each render is, right now: kept in memory, told at most twice a second (no client may be told more often), never stored. Where several processes do this, each knows the leases whose
/// nodes call it, and tells the others its part; whoever speaks of a render speaks of all of it.
/// </summary>
sealed class LiveBoard(Tell tell, TimeProvider clock)
{
    static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(500);

    /// <summary>A part nobody has renewed for so long is of a process that has gone, or has nothing more to say.</summary>
    static readonly TimeSpan PartLasts = TimeSpan.FromSeconds(10);

    readonly Guid _id = Ids.New();
    readonly ConcurrentDictionary<JobId, Line> _jobs = new();
    readonly ConcurrentDictionary<LeaseId, JobId> _leases = new();

    sealed class Line
    {
        public int Total, Settled;
        public DateTimeOffset Told;
        public Task Telling = Task.CompletedTask;
        public readonly Dictionary<LeaseId, (int Done, double FramesPerSecond)> Open = [];
        public readonly Dictionary<Guid, (LivePart Part, DateTimeOffset At)> Others = [];
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

    /// <summary>Whose lease this is; null: it was not given out here.</summary>
    public JobId? JobOf(LeaseId lease) => _leases.TryGetValue(lease, out var job) ? job : null;

    public void Progressed(NodeProgress progress)
    {
        if (!_leases.TryGetValue(progress.LeaseId, out var job) || !_jobs.TryGetValue(job, out var line)) return;
        lock (line) line.Open[progress.LeaseId] = (progress.Done, progress.FramesPerSecond);
        Tell(job, line, progress.Preview);
    }

    /// <summary>What another process knows of a render.</summary>
    public void Heard(LivePart part)
    {
        if (part.Board == _id) return;
        if (part.Over)
        {
            _jobs.TryRemove(part.JobId, out _);
            return;
        }

        var line = _jobs.GetOrAdd(part.JobId, _ => new Line());
        lock (line)
        {
            line.Others[part.Board] = (part, clock.GetUtcNow());
            // The book is one; the latest word of it counts, whoever read it.
            (line.Total, line.Settled) = (part.Total, part.Settled);
        }
    }

    /// <summary>The render is over, here and everywhere.</summary>
    public void Forget(JobId job)
    {
        if (_jobs.TryRemove(job, out _)) _ = tell(new LivePart(job, _id, 0, 0, 0, 0, 0, Over: true), CancellationToken.None);
        foreach (var (lease, of) in _leases)
            if (of == job) _leases.TryRemove(lease, out _);
    }

    void Tell(JobId job, Line line, string? preview)
    {
        lock (line)
        {
            var now = clock.GetUtcNow();
            if (preview is null && line.Settled < line.Total && now - line.Told < Pace) return;
            // Nobody waits for it, and a lost one is replaced by the next. Where the broker does not take one, the next is not even sent.
            if (!line.Telling.IsCompleted) return;
            line.Told = now;
            foreach (var (board, (_, at)) in line.Others)
                if (now - at > PartLasts) line.Others.Remove(board);
            var mine = new LivePart(job, _id, line.Total, line.Settled, line.Open.Values.Sum(o => o.Done), line.Open.Count, Math.Round(line.Open.Values.Sum(o => o.FramesPerSecond), 1), Over: false);
            line.Telling = Task.WhenAll(tell(mine, CancellationToken.None), tell(Together([mine, .. line.Others.Values.Select(o => o.Part)], preview), CancellationToken.None));
        }
    }

    static RenderProgress Together(IReadOnlyList<LivePart> parts, string? preview)
    {
        var (mine, total) = (parts[0], parts[0].Total);
        var done = Math.Min(total, mine.Settled + parts.Sum(p => p.Drawn));
        var speed = parts.Sum(p => p.FramesPerSecond);
        return new(mine.JobId, done, total, speed > 0 ? Math.Round((total - done) / speed, 1) : null, parts.Sum(p => p.Nodes), Math.Round(speed, 1), preview);
    }
}

/// <summary>One process's part of what is under way for a render. Not a fact: told, and forgotten.</summary>
/// <param name="Settled">Frames of pieces that are in, as its last look at the book said.</param>
/// <param name="Drawn">Frames of pieces under way whose nodes call this process.</param>
/// <param name="Over">Nothing more will come of this render.</param>
public sealed record LivePart(JobId JobId, Guid Board, int Total, int Settled, int Drawn, int Nodes, double FramesPerSecond, bool Over) : IAboutRender;

/// <summary>Hears the other processes' parts.</summary>
sealed class LivePartConsumer(LiveBoard board) : IConsumer<LivePart>
{
    public Task Consume(ConsumeContext<LivePart> context)
    {
        board.Heard(context.Message);
        return Task.CompletedTask;
    }

    /// <summary>A queue of this process alone: every board hears every other.</summary>
    public sealed class Queue : ConsumerDefinition<LivePartConsumer>
    {
        public Queue() => Endpoint(e =>
        {
            e.Name = $"board-{Ids.New():N}";
            e.Temporary = true;
            e.ConcurrentMessageLimit = 1;
            e.PrefetchCount = 200;
        });

        protected override void ConfigureConsumer(IReceiveEndpointConfigurator endpoint, IConsumerConfigurator<LivePartConsumer> consumer, IRegistrationContext context)
        {
            endpoint.DiscardFaultedMessages();
            endpoint.DiscardSkippedMessages();
        }
    }
}
