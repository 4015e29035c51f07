using System.Collections.Concurrent;
using System.Diagnostics;
using FlatRender.Contracts;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace FlatRender.EventStore;

/// <summary>Asks and reminders: sent when due, deleted when RabbitMQ has confirmed or, in memory, when consumed. A crash in between sends again under the same message id.</summary>
public sealed partial class Agenda(EventStoreOptions options, IAgendaTarget target, Wake wake, Tally tally, TimeProvider clock, ILogger<Agenda> log)
{
    internal const int Batch = 200;

    /// <summary>How long a process that sends its own asks has before others do it in its stead.</summary>
    internal static readonly TimeSpan Grace = TimeSpan.FromSeconds(5);

    static readonly TimeSpan Later = TimeSpan.FromMinutes(1);
    static readonly ActivitySource Source = new("FlatRender.EventStore");

    readonly SemaphoreSlim _one = new(1);
    readonly InFlight? _inFlight = target.InFlight;
    readonly ConcurrentQueue<long> _confirmed = [];
    volatile bool _open;

    /// <summary>Whether this process sends what its own units ask for as soon as they are committed.</summary>
    internal bool SendsAtOnce => _open;

    /// <summary>From now on messages reach somebody.</summary>
    internal async Task OpenAsync(CancellationToken cancel)
    {
        await target.ReadyAsync(cancel);
        _open = options.SendAtOnce;
    }

    /// <summary>Sends what a committed unit asks for without looking it up. What cannot be sent now stays in the agenda, and is sent from there when its grace is over.</summary>
    internal async Task SendAtOnceAsync(UnitOfWork unit, CancellationToken cancel)
    {
        foreach (var row in unit.Agenda)
        {
            if (row.Kind != "ask" || row.Number == 0) continue;
            try
            {
                await SendAsync(new Sending(row.Number, unit.StreamId, row.Type, row.Data, row.Kind, row.From.Trace, row.From.Actor), row.Message, cancel).WaitAsync(Grace, clock, cancel);
            }
            catch (Exception e) when (!cancel.IsCancellationRequested)
            {
                NotNow(e, row.Type, row.Number);
                return;
            }
            tally.Send(1);
            if (_inFlight is not null) continue;
            _confirmed.Enqueue(row.Number);
            if (_confirmed.Count == Batch) wake.AgendaDone();
        }
    }

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
        await using var db = await options.DataSource.OpenConnectionAsync(cancel);
        await using var tx = await db.BeginTransactionAsync(cancel);
        if (_inFlight?.TakeEnded() is var (done, again))
        {
            await DeleteAsync(db, done, cancel);
            await PutOffAsync(db, again, cancel);
        }
        await DeleteAsync(db, TakeConfirmed(), cancel);

        var due = await TakeAsync(db, cancel);
        var unknown = due.Where(d => !options.Vocabulary.Knows(d.Type)).ToArray();
        var known = due.Except(unknown).ToArray();
        foreach (var sending in unknown) NotUnderstood(sending);
        await PutOffAsync(db, [.. unknown.Select(u => u.Id)], cancel);
        // Begun in order, confirmed together.
        await Task.WhenAll(known.Select(d => SendAsync(d, null, cancel)));
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

    /// <summary>The newest row's number; 0 if there is none.</summary>
    public async Task<long> NewestAsync(CancellationToken cancel) => (long)(await options.DataSource.ScalarAsync($"SELECT coalesce(max(id), 0) FROM {options.Schema}.agenda", cancel))!;

    /// <summary>Makes everything up to this row due now: after a crash of a process whose broker was its own memory. A reminder that comes before its time means: ask again.</summary>
    public Task<int> WakeAllAsync(long newest, CancellationToken cancel) =>
        options.DataSource.RunAsync($"UPDATE {options.Schema}.agenda SET due = $1 WHERE due > $1 AND id <= $2", cancel, clock.GetUtcNow(), newest);

    Task<List<Sending>> TakeAsync(NpgsqlConnection db, CancellationToken cancel) => db.QueryAsync(
        $"""
        SELECT a.id, a.stream_id, a.type, a.data::text, a.kind, a.headers->>'trace', a.headers->>'actor'
        FROM {options.Schema}.agenda a
        WHERE a.due <= $1 AND NOT a.id = ANY ($2)
        ORDER BY a.due, a.id
        LIMIT {Batch}
        FOR UPDATE SKIP LOCKED
        """, r => new Sending(r.GetInt64(0), r.GetGuid(1), r.GetString(2), r.GetString(3), r.GetString(4), r.Text(5), r.Text(6)), cancel, clock.GetUtcNow(), _inFlight?.RowIds ?? []);

    async Task SendAsync(Sending sending, object? message, CancellationToken cancel)
    {
        using var activity = Source.StartActivity(sending.Type, ActivityKind.Producer, sending.Trace);
        await target.SendAsync(sending, message, cancel);
    }

    long[] TakeConfirmed()
    {
        var taken = new List<long>();
        while (_confirmed.TryDequeue(out var number)) taken.Add(number);
        return [.. taken];
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

    [LoggerMessage(Level = LogLevel.Warning, Message = "'{Type}' (agenda row {Id}) could not be sent at once; it is sent from the agenda soon.")]
    partial void NotNow(Exception e, string type, long id);

    [LoggerMessage(Level = LogLevel.Error, Message = "This version does not know '{Type}' (agenda row {Id}): left for one that does.")]
    partial void NotUnderstood(string type, long id);
}
