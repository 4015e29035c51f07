using System.Collections.Concurrent;
using FlatRender.Contracts;
using MassTransit;

namespace FlatRender.Render;

/// <summary>
/// How far each render is, right now: kept in memory, told at most twice a second (no client may be told more often), never stored. What moves within a moment is told in
/// one message, since a message costs its hearers more than what it says. Where several processes do this, each knows the leases whose nodes call it, and tells the
/// others its part; whoever speaks of a render speaks of all of it.
/// </summary>
sealed class LiveBoard(Tell tell, TimeProvider clock) : IDisposable
{
    /// <summary>The moment; short beside <see cref="Pace"/>.</summary>
    public static readonly TimeSpan Gather = TimeSpan.FromMilliseconds(100);

    /// <summary>Renders in one message: with their pictures it stays under a megabyte.</summary>
    public const int Together = 32;

    static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(500);

    /// <summary>A part nobody has renewed for so long is of a process that has gone, or has nothing more to say.</summary>
    static readonly TimeSpan PartLasts = TimeSpan.FromSeconds(10);

    readonly Guid _id = Ids.New();
    readonly ConcurrentDictionary<JobId, Line> _jobs = new();
    readonly ConcurrentDictionary<LeaseId, JobId> _leases = new();
    readonly Lock _gate = new();
    readonly HashSet<JobId> _moved = [];
    ITimer? _timer;
    Task _telling = Task.CompletedTask;
    bool _rings;

    sealed class Line
    {
        public int Total, Settled;
        public DateTimeOffset Told;
        public string? Preview;
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
        Moved(job);
    }

    /// <summary>Whose lease this is; null: it was not given out here.</summary>
    public JobId? JobOf(LeaseId lease) => _leases.TryGetValue(lease, out var job) ? job : null;

    public void Progressed(NodeProgress progress)
    {
        if (!_leases.TryGetValue(progress.LeaseId, out var job) || !_jobs.TryGetValue(job, out var line)) return;
        lock (line)
        {
            line.Open[progress.LeaseId] = (progress.Done, progress.FramesPerSecond);
            line.Preview = progress.Preview ?? line.Preview;
        }

        Moved(job);
    }

    /// <summary>What another process knows of its renders.</summary>
    public void Heard(LiveParts parts)
    {
        if (parts.Board == _id) return;
        foreach (var part in parts.Parts) Heard(parts.Board, part);
    }

    void Heard(Guid board, LivePart part)
    {
        if (part.Over)
        {
            _jobs.TryRemove(part.JobId, out _);
            return;
        }

        var line = _jobs.GetOrAdd(part.JobId, _ => new Line());
        lock (line)
        {
            line.Others[board] = (part, clock.GetUtcNow());
            // The book is one; the latest word of it counts, whoever read it.
            (line.Total, line.Settled) = (part.Total, part.Settled);
        }
    }

    /// <summary>The render is over, here and everywhere.</summary>
    public void Forget(JobId job)
    {
        if (_jobs.TryRemove(job, out _)) _ = tell(new LiveParts(_id, [new(job, 0, 0, 0, 0, 0, Over: true)]), CancellationToken.None);
        foreach (var (lease, of) in _leases)
            if (of == job) _leases.TryRemove(lease, out _);
    }

    void Moved(JobId job)
    {
        lock (_gate)
        {
            _moved.Add(job);
            Wind();
        }
    }

    void Wind()
    {
        if (_rings) return;
        _rings = true;
        _timer ??= clock.CreateTimer(static board => ((LiveBoard)board!).TellAll(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _timer.Change(Gather, Timeout.InfiniteTimeSpan);
    }

    void TellAll()
    {
        lock (_gate)
        {
            _rings = false;
            // Nobody waits for it, and a lost one is replaced by the next. Where the broker does not take one, the next is not even sent.
            if (_telling.IsCompleted)
            {
                var due = new List<(LivePart, RenderProgress)>();
                _moved.RemoveWhere(job => !_jobs.TryGetValue(job, out var line) || TryTake(job, line, due));
                if (due.Count > 0) _telling = TellAsync(due);
            }

            if (_moved.Count > 0) Wind();
        }
    }

    async Task TellAsync(IEnumerable<(LivePart Part, RenderProgress Whole)> due)
    {
        foreach (var some in due.Chunk(Together))
            await Task.WhenAll(tell(new LiveParts(_id, [.. some.Select(s => s.Part)]), CancellationToken.None), tell(new RenderBulletin([.. some.Select(s => s.Whole)]), CancellationToken.None));
    }

    /// <returns>False: it was told of a moment ago. A picture, and the last piece, do not wait.</returns>
    bool TryTake(JobId job, Line line, List<(LivePart, RenderProgress)> due)
    {
        lock (line)
        {
            var now = clock.GetUtcNow();
            if (line.Preview is null && line.Settled < line.Total && now - line.Told < Pace) return false;
            line.Told = now;
            foreach (var (board, (_, at)) in line.Others)
                if (now - at > PartLasts) line.Others.Remove(board);
            var mine = new LivePart(job, line.Total, line.Settled, line.Open.Values.Sum(o => o.Done), line.Open.Count, Math.Round(line.Open.Values.Sum(o => o.FramesPerSecond), 1), Over: false);
            due.Add((mine, Whole([mine, .. line.Others.Values.Select(o => o.Part)], line.Preview)));
            line.Preview = null;
            return true;
        }
    }

    public void Dispose() => _timer?.Dispose();

    static RenderProgress Whole(IReadOnlyList<LivePart> parts, string? preview)
    {
        var (mine, total) = (parts[0], parts[0].Total);
        var done = Math.Min(total, mine.Settled + parts.Sum(p => p.Drawn));
        var speed = parts.Sum(p => p.FramesPerSecond);
        return new(mine.JobId, done, total, speed > 0 ? Math.Round((total - done) / speed, 1) : null, parts.Sum(p => p.Nodes), Math.Round(speed, 1), preview);
    }
}

/// <summary>One process's parts of what is under way. Not a fact: told, and forgotten.</summary>
/// <param name="Board">Whose.</param>
public sealed record LiveParts(Guid Board, IReadOnlyList<LivePart> Parts);

/// <summary>Of one render.</summary>
/// <param name="Settled">Frames of pieces that are in, as its last look at the book said.</param>
/// <param name="Drawn">Frames of pieces under way whose nodes call this process.</param>
/// <param name="Over">Nothing more will come of this render.</param>
public sealed record LivePart(JobId JobId, int Total, int Settled, int Drawn, int Nodes, double FramesPerSecond, bool Over);

/// <summary>Hears the other processes' parts.</summary>
sealed class LivePartConsumer(LiveBoard board) : IConsumer<LiveParts>
{
    public Task Consume(ConsumeContext<LiveParts> context)
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
