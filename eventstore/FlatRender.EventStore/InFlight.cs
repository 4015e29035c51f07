using System.Collections.Concurrent;
using FlatRender.Contracts;
using MassTransit;

namespace FlatRender.EventStore;

/// <summary>
/// Agenda rows whose message the in-memory bus holds. Such a bus confirms nothing and forgets everything in a crash, so there a row is done with when its
/// message has been consumed: whatever was on its way is still in the agenda at the next start.
/// </summary>
sealed class InFlight(Wake wake, TimeProvider clock) : IConsumeObserver
{
    /// <summary>A message that nobody has begun to consume by then has no consumer in this process.</summary>
    static readonly TimeSpan NobodyWantsIt = TimeSpan.FromMinutes(10);

    /// <summary>The header that tells one sending of a message from the next: both carry the same message id.</summary>
    const string SendingHeader = "sending";

    readonly ConcurrentDictionary<Guid, Row> _rows = [];
    readonly ConcurrentQueue<Row> _consumed = [], _faulted = [];
    int _ended;

    public long[] RowIds => [.. _rows.Values.Select(r => r.Id), .. _consumed.Select(r => r.Id), .. _faulted.Select(r => r.Id)];

    /// <summary>From now on, until it has ended, the row is not sent again.</summary>
    /// <param name="comesAgain">Whether it is sent again where nobody could take it in.</param>
    public Guid Add(long id, bool comesAgain)
    {
        var sending = Ids.New();
        _rows[sending] = new Row(id, comesAgain, clock.GetUtcNow());
        return sending;
    }

    public static void Mark(SendContext message, Guid sending) => message.Headers.Set(SendingHeader, sending.ToString());

    /// <summary>It was not sent after all.</summary>
    public void Remove(Guid sending) => _rows.TryRemove(sending, out _);

    /// <summary>What came to an end since the last look: rows to delete, and those to send again because nobody could take them in.</summary>
    public (long[] Done, long[] Again) TakeEnded()
    {
        foreach (var (sending, row) in _rows)
            if (!row.Begun && clock.GetUtcNow() - row.Since > NobodyWantsIt && _rows.TryRemove(sending, out _) && row.EndsNow()) _consumed.Enqueue(row);
        Volatile.Write(ref _ended, 0);
        var (done, again) = (new List<long>(), new List<long>());
        while (_consumed.TryDequeue(out var row)) done.Add(row.Id);
        // Most asks that failed are asked again by a reminder; of a reminder, and of what is said once, nobody reminds.
        while (_faulted.TryDequeue(out var row)) (row.ComesAgain ? again : done).Add(row.Id);
        return ([.. done], [.. again]);
    }

    public Task PreConsume<T>(ConsumeContext<T> context) where T : class
    {
        if (Find(context) is var (_, row)) row.Begun = true;
        return Task.CompletedTask;
    }

    public Task PostConsume<T>(ConsumeContext<T> context) where T : class => End(context, _consumed);
    public Task ConsumeFault<T>(ConsumeContext<T> context, Exception exception) where T : class => End(context, _faulted);

    Task End(MessageContext context, ConcurrentQueue<Row> how)
    {
        // A failure may be told more than once.
        if (Find(context) is var (sending, row) && row.EndsNow())
        {
            // First among the ended, then no longer under way: a look in between must find it in one of both.
            how.Enqueue(row);
            _rows.TryRemove(sending, out _);
            if (Interlocked.Increment(ref _ended) >= Agenda.Batch || how == _faulted) wake.AgendaDone();
        }
        return Task.CompletedTask;
    }

    (Guid Sending, Row Row)? Find(MessageContext context) =>
        Guid.TryParse(context.Headers.Get<string>(SendingHeader), out var sending) && _rows.TryGetValue(sending, out var row) ? (sending, row) : null;

    sealed class Row(long id, bool comesAgain, DateTimeOffset since)
    {
        int _ended;

        public long Id => id;
        public bool ComesAgain => comesAgain;
        public DateTimeOffset Since => since;
        public bool Begun { get; set; }

        public bool EndsNow() => Interlocked.Exchange(ref _ended, 1) == 0;
    }
}
