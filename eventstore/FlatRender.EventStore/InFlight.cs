using System.Collections.Concurrent;
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

    readonly ConcurrentDictionary<Guid, Row> _rows = [];
    readonly ConcurrentQueue<Row> _consumed = [], _faulted = [];

    public long[] Ids => [.. _rows.Values.Select(r => r.Id), .. _consumed.Select(r => r.Id), .. _faulted.Select(r => r.Id)];

    public void Add(Guid messageId, long id, bool isReminder) => _rows[messageId] = new Row(id, isReminder, clock.GetUtcNow());

    /// <summary>It was not sent after all.</summary>
    public void Remove(Guid messageId) => _rows.TryRemove(messageId, out _);

    /// <summary>What came to an end since the last look: rows to delete, and reminders to send again because nobody could take them in.</summary>
    public (long[] Done, long[] Again) TakeEnded()
    {
        foreach (var (messageId, row) in _rows)
            if (!row.Begun && clock.GetUtcNow() - row.Since > NobodyWantsIt && _rows.TryRemove(messageId, out _)) _consumed.Enqueue(row);
        var (done, again) = (new List<long>(), new List<long>());
        while (_consumed.TryDequeue(out var row)) done.Add(row.Id);
        // A failed ask is asked again by its reminder; a reminder has nobody to remind of it.
        while (_faulted.TryDequeue(out var row)) (row.IsReminder ? again : done).Add(row.Id);
        return ([.. done], [.. again]);
    }

    public Task PreConsume<T>(ConsumeContext<T> context) where T : class
    {
        if (context.MessageId is { } id && _rows.TryGetValue(id, out var row)) row.Begun = true;
        return Task.CompletedTask;
    }

    public Task PostConsume<T>(ConsumeContext<T> context) where T : class => End(context, _consumed);
    public Task ConsumeFault<T>(ConsumeContext<T> context, Exception exception) where T : class => End(context, _faulted);

    Task End(MessageContext context, ConcurrentQueue<Row> how)
    {
        if (context.MessageId is { } id && _rows.TryGetValue(id, out var row))
        {
            // First among the ended, then no longer under way: a look in between must find it in one of both.
            how.Enqueue(row);
            _rows.TryRemove(id, out _);
            wake.CommittedElsewhere();
        }
        return Task.CompletedTask;
    }

    sealed record Row(long Id, bool IsReminder, DateTimeOffset Since)
    {
        public bool Begun { get; set; }
    }
}
