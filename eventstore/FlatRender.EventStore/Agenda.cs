using System.Diagnostics;
using FlatRender.Contracts;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace FlatRender.EventStore;

/// <summary>Asks and reminders: sent when due, deleted when the broker has confirmed. A crash between the two sends again under the same message id.</summary>
public sealed partial class Agenda(EventStoreOptions options, IServiceProvider services, Tally tally, TimeProvider clock, ILogger<Agenda> log)
{
    const int Batch = 200;
    static readonly TimeSpan UntilUnderstood = TimeSpan.FromMinutes(1);
    static readonly ActivitySource Source = new("FlatRender.EventStore");

    /// <summary>Sends what is due, oldest first, and returns how much that was. Several processes share the rows out between them.</summary>
    public async Task<int> SendDueAsync(CancellationToken cancel)
    {
        await using var db = await options.DataSource.OpenConnectionAsync(cancel);
        await using var tx = await db.BeginTransactionAsync(cancel);
        var due = await TakeAsync(db, cancel);
        if (due.Count == 0) return 0;
        var (known, unknown) = (due.Where(d => options.Vocabulary.Knows(d.Type)).ToArray(), due.Where(d => !options.Vocabulary.Knows(d.Type)).ToArray());

        // Begun in order, confirmed together.
        var bus = services.GetRequiredService<IBus>();
        await Task.WhenAll(known.Select(d => SendAsync(bus, d, cancel)));
        await using (var delete = new NpgsqlCommand($"DELETE FROM {options.Schema}.agenda WHERE id = ANY ($1)", db) { Parameters = { new() { Value = known.Select(d => d.Id).ToArray() } } })
            await delete.ExecuteNonQueryAsync(cancel);
        if (unknown.Length > 0) await PutOffAsync(db, unknown, cancel);
        await tx.CommitAsync(cancel);
        tally.Send(known.Length);
        return due.Count;
    }

    /// <summary>When the next row is due, or null if the agenda is empty.</summary>
    public async Task<DateTimeOffset?> NextDueAsync(CancellationToken cancel)
    {
        await using var command = options.DataSource.CreateCommand($"SELECT min(due) FROM {options.Schema}.agenda");
        return await command.ExecuteScalarAsync(cancel) is DateTime due ? new DateTimeOffset(due, TimeSpan.Zero) : null;
    }

    /// <summary>Makes every reminder due now: after a crash of a process whose broker was its own memory. A reminder that comes before its time means: ask again.</summary>
    public async Task<int> WakeAllAsync(CancellationToken cancel)
    {
        await using var command = options.DataSource.CreateCommand($"UPDATE {options.Schema}.agenda SET due = $1 WHERE kind = 'remind' AND due > $1");
        command.Parameters.Add(new NpgsqlParameter { Value = clock.GetUtcNow() });
        return await command.ExecuteNonQueryAsync(cancel);
    }

    async Task<List<Sending>> TakeAsync(NpgsqlConnection db, CancellationToken cancel)
    {
        await using var take = new NpgsqlCommand(
            $"""
            SELECT a.id, a.stream_id, a.type, a.data::text, a.headers->>'trace', a.headers->>'actor'
            FROM {options.Schema}.agenda a
            WHERE a.due <= $1
            ORDER BY a.due, a.id
            LIMIT {Batch}
            FOR UPDATE SKIP LOCKED
            """, db)
        { Parameters = { new() { Value = clock.GetUtcNow() } } };
        await using var rows = await take.ExecuteReaderAsync(cancel);
        var due = new List<Sending>();
        while (await rows.ReadAsync(cancel))
            due.Add(new Sending(rows.GetInt64(0), rows.GetGuid(1), rows.GetString(2), rows.GetString(3), rows.IsDBNull(4) ? null : rows.GetString(4), rows.IsDBNull(5) ? null : rows.GetString(5)));
        return due;
    }

    async Task SendAsync(IBus bus, Sending sending, CancellationToken cancel)
    {
        var type = options.Vocabulary.TypeOf(sending.Type);
        var message = options.Vocabulary.Read(sending.Type, sending.Data);
        using var activity = Source.StartActivity(sending.Type, ActivityKind.Producer, sending.Trace);
        await bus.Publish(message, type, Pipe.Execute<PublishContext>(p =>
        {
            p.MessageId = Ids.Derived(sending.StreamId, $"agenda {sending.Id}");
            p.CorrelationId = sending.StreamId;
            if (sending.Actor is not null) p.Headers.Set(FactHeaders.ActorHeader, sending.Actor);
        }), cancel);
    }

    /// <summary>A newer version of FlatRender wrote these and will know them; until then they must not stand in the way.</summary>
    async Task PutOffAsync(NpgsqlConnection db, Sending[] unknown, CancellationToken cancel)
    {
        foreach (var sending in unknown)
        {
            tally.UnknownWord();
            NotUnderstood(sending.Type, sending.Id);
        }
        await using var later = new NpgsqlCommand($"UPDATE {options.Schema}.agenda SET due = $2 WHERE id = ANY ($1)", db)
        { Parameters = { new() { Value = unknown.Select(u => u.Id).ToArray() }, new() { Value = clock.GetUtcNow() + UntilUnderstood } } };
        await later.ExecuteNonQueryAsync(cancel);
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "This version does not know '{Type}' (agenda row {Id}): left for one that does.")]
    partial void NotUnderstood(string type, long id);

    sealed record Sending(long Id, Guid StreamId, string Type, string Data, string? Trace, string? Actor);
}
