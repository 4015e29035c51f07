using System.Diagnostics;
using FlatRender.Contracts;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace FlatRender.EventStore;

/// <summary>Asks and reminders: sent when due, deleted when RabbitMQ has confirmed or, in memory, when consumed. A crash in between sends again under the same message id.</summary>
public sealed partial class Agenda(EventStoreOptions options, IServiceProvider services, Wake wake, Tally tally, TimeProvider clock, ILogger<Agenda> log)
{
    const int Batch = 200;
    static readonly TimeSpan Later = TimeSpan.FromMinutes(1);
    static readonly ActivitySource Source = new("FlatRender.EventStore");

    readonly SemaphoreSlim _one = new(1);
    readonly InFlight? _inFlight = options.InMemory ? new InFlight(wake, clock) : null;
    bool _observing;

    /// <summary>Sends what is due, oldest first, and returns how much that was. Several processes share the rows out between them.</summary>
    public async Task<int> SendDueAsync(CancellationToken cancel)
    {
        await _one.WaitAsync(cancel);
        try
        {
            return await SendDueAloneAsync(cancel);
        }
        finally
        {
            _one.Release();
        }
    }

    async Task<int> SendDueAloneAsync(CancellationToken cancel)
    {
        var bus = services.GetRequiredService<IBus>();
        if (_inFlight is not null && !_observing) bus.ConnectConsumeObserver(_inFlight);
        _observing = true;

        await using var db = await options.DataSource.OpenConnectionAsync(cancel);
        await using var tx = await db.BeginTransactionAsync(cancel);
        if (_inFlight?.TakeEnded() is var (done, again))
        {
            await DeleteAsync(db, done, cancel);
            await PutOffAsync(db, again, cancel);
        }

        var due = await TakeAsync(db, cancel);
        var unknown = due.Where(d => !options.Vocabulary.Knows(d.Type)).ToArray();
        var known = due.Except(unknown).ToArray();
        foreach (var sending in unknown) NotUnderstood(sending);
        await PutOffAsync(db, [.. unknown.Select(u => u.Id)], cancel);
        // Begun in order, confirmed together.
        await Task.WhenAll(known.Select(d => SendAsync(bus, d, cancel)));
        if (_inFlight is null) await DeleteAsync(db, [.. known.Select(d => d.Id)], cancel);
        await tx.CommitAsync(cancel);
        tally.Send(known.Length);
        return due.Count;
    }

    /// <summary>When the next row is due, or null if the agenda is empty.</summary>
    public async Task<DateTimeOffset?> NextDueAsync(CancellationToken cancel)
    {
        var due = await options.DataSource.ScalarAsync($"SELECT min(due) FROM {options.Schema}.agenda WHERE NOT id = ANY ($1)", cancel, _inFlight?.RowIds ?? []);
        return due is DateTime at ? new DateTimeOffset(at, TimeSpan.Zero) : null;
    }

    /// <summary>Makes every reminder due now: after a crash of a process whose broker was its own memory. A reminder that comes before its time means: ask again.</summary>
    public Task<int> WakeAllAsync(CancellationToken cancel) =>
        options.DataSource.RunAsync($"UPDATE {options.Schema}.agenda SET due = $1 WHERE kind = 'remind' AND due > $1", cancel, clock.GetUtcNow());

    Task<List<Sending>> TakeAsync(NpgsqlConnection db, CancellationToken cancel) => db.QueryAsync(
        $"""
        SELECT a.id, a.stream_id, a.type, a.data::text, a.kind, a.headers->>'trace', a.headers->>'actor'
        FROM {options.Schema}.agenda a
        WHERE a.due <= $1 AND NOT a.id = ANY ($2)
        ORDER BY a.due, a.id
        LIMIT {Batch}
        FOR UPDATE SKIP LOCKED
        """, r => new Sending(r.GetInt64(0), r.GetGuid(1), r.GetString(2), r.GetString(3), r.GetString(4), r.Text(5), r.Text(6)), cancel, clock.GetUtcNow(), _inFlight?.RowIds ?? []);

    async Task SendAsync(IBus bus, Sending sending, CancellationToken cancel)
    {
        var type = options.Vocabulary.TypeOf(sending.Type);
        var message = options.Vocabulary.Read(sending.Type, sending.Data);
        var messageId = Ids.Derived(sending.StreamId, $"agenda {sending.Id}");
        var held = _inFlight?.Add(sending.Id, sending.Kind == "remind");
        using var activity = Source.StartActivity(sending.Type, ActivityKind.Producer, sending.Trace);
        try
        {
            await bus.Publish(message, type, Pipe.Execute<PublishContext>(p =>
            {
                p.MessageId = messageId;
                p.CorrelationId = sending.StreamId;
                if (held is { } key) InFlight.Mark(p, key);
                if (sending.Actor is not null) p.Headers.Set(FactHeaders.ActorHeader, sending.Actor);
            }), cancel);
        }
        catch
        {
            if (held is { } key) _inFlight!.Remove(key);
            throw;
        }
    }

    async Task DeleteAsync(NpgsqlConnection db, long[] ids, CancellationToken cancel)
    {
        if (ids.Length > 0) await db.RunAsync($"DELETE FROM {options.Schema}.agenda WHERE id = ANY ($1)", cancel, ids);
    }

    async Task PutOffAsync(NpgsqlConnection db, long[] ids, CancellationToken cancel)
    {
        if (ids.Length > 0) await db.RunAsync($"UPDATE {options.Schema}.agenda SET due = $2 WHERE id = ANY ($1)", cancel, ids, clock.GetUtcNow() + Later);
    }

    /// <summary>A newer version of FlatRender wrote it and will know it; until then it must not stand in the way.</summary>
    void NotUnderstood(Sending sending)
    {
        tally.UnknownWord();
        NotUnderstood(sending.Type, sending.Id);
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "This version does not know '{Type}' (agenda row {Id}): left for one that does.")]
    partial void NotUnderstood(string type, long id);

    sealed record Sending(long Id, Guid StreamId, string Type, string Data, string Kind, string? Trace, string? Actor);
}
