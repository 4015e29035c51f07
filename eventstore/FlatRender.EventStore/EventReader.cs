using System.Globalization;
using Npgsql;

namespace FlatRender.EventStore;

/// <summary>
/// Reads every committed fact once, in order, for one subscription. Numbers are drawn before their transactions commit, so a missing number may yet appear.
/// At a gap the reader takes a transaction id R: whoever could own a missing number below the highest one seen has an older id. Once a reading snapshot's
/// oldest running transaction is R or younger, all those have ended, so what that snapshot does not hold was rolled back and never comes. No timeout, no guess,
/// and nothing of it is stored: the position is a plain seq_id that survives dump and restore.
/// </summary>
public sealed class EventReader : IAsyncDisposable
{
    readonly NpgsqlConnection _db;
    readonly NpgsqlCommand _read, _save;
    readonly int _batch;
    long _provable;
    ulong _proof;

    EventReader(NpgsqlConnection db, string schema, string subscription, int batch, long position)
    {
        _db = db;
        _batch = batch;
        Position = position;
        _read = new NpgsqlCommand(
            $"""
            SELECT pg_snapshot_xmin(pg_current_snapshot())::text, {RecordedEvent.Columns}
            FROM {schema}.mt_events e
            WHERE e.seq_id > $1
            ORDER BY e.seq_id
            LIMIT $2
            """, db)
        { Parameters = { new NpgsqlParameter<long>(), new NpgsqlParameter<int> { TypedValue = batch } } };
        _save = new NpgsqlCommand(
            $"""
            INSERT INTO {schema}.mt_event_progression (name, last_seq_id, last_updated)
            VALUES ($1, $2, now())
            ON CONFLICT (name) DO UPDATE
            SET last_seq_id = excluded.last_seq_id, last_updated = excluded.last_updated
            """, db)
        { Parameters = { new NpgsqlParameter<string> { TypedValue = subscription }, new NpgsqlParameter<long>() } };
    }

    /// <summary>Begins where the subscription's stored position is, or before the first fact. The connection stays the caller's.</summary>
    public static async Task<EventReader> OpenAsync(NpgsqlConnection db, string schema, string subscription, int batch = 500, CancellationToken cancel = default)
    {
        var position = await db.ScalarAsync($"SELECT last_seq_id FROM {schema}.mt_event_progression WHERE name = $1", cancel, subscription) as long? ?? 0;
        var reader = new EventReader(db, schema, subscription, batch, position);
        await reader._read.PrepareAsync(cancel);
        await reader._save.PrepareAsync(cancel);
        return reader;
    }

    /// <summary>Everything up to this seq_id has been returned or proven rolled back.</summary>
    public long Position { get; private set; }

    /// <summary>Whether facts are waiting behind a gap that is not yet proven empty: look again soon, not when woken.</summary>
    public bool AtGap { get; private set; }

    /// <summary>The next facts, in order; empty if there are none or if <see cref="AtGap"/>.</summary>
    public async Task<IReadOnlyList<RecordedEvent>> NextAsync(CancellationToken cancel)
    {
        var rows = new List<RecordedEvent>();
        ulong oldest = 0;
        ((NpgsqlParameter<long>)_read.Parameters[0]).TypedValue = Position;
        await using (var reader = await _read.ExecuteReaderAsync(cancel))
            while (await reader.ReadAsync(cancel))
            {
                if (rows.Count == 0) oldest = ulong.Parse(reader.GetString(0), CultureInfo.InvariantCulture);
                rows.Add(RecordedEvent.From(reader, at: 1));
            }

        var taken = 0;
        foreach (var row in rows)
        {
            var proven = row.Seq == Position + 1 || row.Seq <= _provable && oldest >= _proof;
            if (!proven) break;
            Position = row.Seq;
            taken++;
        }

        AtGap = taken < rows.Count;
        if (AtGap && rows[taken].Seq > _provable) await TakeProofAsync(rows[^1].Seq, cancel);
        if (AtGap) rows.RemoveRange(taken, rows.Count - taken);
        return rows;
    }

    /// <summary>Stores the position. Where the caller's work is in the same transaction, each fact counts exactly once.</summary>
    public async Task SaveAsync(CancellationToken cancel)
    {
        ((NpgsqlParameter<long>)_save.Parameters[1]).TypedValue = Position;
        await _save.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>Every number up to the highest seen was drawn by a transaction older than the id taken now.</summary>
    async Task TakeProofAsync(long highestSeen, CancellationToken cancel)
    {
        _proof = ulong.Parse((string)(await _db.ScalarAsync("SELECT pg_current_xact_id()::text", cancel))!, CultureInfo.InvariantCulture);
        _provable = highestSeen;
    }

    public async ValueTask DisposeAsync()
    {
        await _read.DisposeAsync();
        await _save.DisposeAsync();
    }
}
