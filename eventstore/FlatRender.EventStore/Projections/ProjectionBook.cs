using Npgsql;

namespace FlatRender.EventStore;

/// <summary>The projections' rows in the store: where each stands, and what stopped it.</summary>
sealed class ProjectionBook(string schema)
{
    /// <summary>Notes a projection that is new here. False: it was there already.</summary>
    public async Task<bool> OpenAsync(NpgsqlConnection db, string name, int revision, CancellationToken cancel)
    {
        await db.RunAsync($"INSERT INTO {schema}.mt_event_progression (name, last_seq_id) VALUES ($1, 0) ON CONFLICT DO NOTHING", cancel, name);
        return await db.RunAsync($"INSERT INTO {schema}.projections (name, revision) VALUES ($1, $2) ON CONFLICT DO NOTHING", cancel, name, revision) == 1;
    }

    public async Task<int> RevisionAsync(NpgsqlConnection db, string name, CancellationToken cancel) =>
        (int)(await db.ScalarAsync($"SELECT revision FROM {schema}.projections WHERE name = $1", cancel, name))!;

    /// <summary>Takes the position from one number to another; false where it is no longer there. The row stays locked until the transaction ends: who comes second does nothing.</summary>
    public async Task<bool> MoveAsync(NpgsqlConnection db, string row, long from, long to, CancellationToken cancel) =>
        await db.RunAsync($"UPDATE {schema}.mt_event_progression SET last_seq_id = $3, last_updated = transaction_timestamp() WHERE name = $1 AND last_seq_id = $2", cancel, row, from, to) == 1;

    /// <summary>Puts a position where it must be, whatever it was.</summary>
    public Task PlaceAsync(NpgsqlConnection db, string row, long at, CancellationToken cancel) => db.RunAsync(
        $"INSERT INTO {schema}.mt_event_progression (name, last_seq_id) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET last_seq_id = excluded.last_seq_id, last_updated = transaction_timestamp()", cancel, row, at);

    /// <summary>The position, which nobody can move until the transaction ends.</summary>
    public async Task<long> HoldAsync(NpgsqlConnection db, string row, CancellationToken cancel) =>
        (long)(await db.ScalarAsync($"SELECT last_seq_id FROM {schema}.mt_event_progression WHERE name = $1 FOR UPDATE", cancel, row))!;

    /// <summary>Everything up to here is settled: a reader that proves gaps has passed it.</summary>
    public async Task<long> SettledAsync(NpgsqlConnection db, IReadOnlyList<string> provenRows, CancellationToken cancel) =>
        (long)(await db.ScalarAsync($"SELECT coalesce(max(last_seq_id), 0) FROM {schema}.mt_event_progression WHERE name = ANY ($1)", cancel, provenRows))!;

    public Task SkipAsync(NpgsqlConnection db, string name, bool rebuilding, int count, CancellationToken cancel) => rebuilding
        ? db.RunAsync($"UPDATE {schema}.projections SET rebuild_skipped = rebuild_skipped + $2 WHERE name = $1", cancel, name, count)
        : db.RunAsync($"UPDATE {schema}.projections SET skipped = skipped + $2 WHERE name = $1", cancel, name, count);

    public Task StopAsync(NpgsqlConnection db, string name, Poison poison, CancellationToken cancel) => db.RunAsync($"""
        UPDATE {schema}.projections SET poison_seq = $2, poison_event = $3, poison_stream = $4, poison_version = $5, poison_type = $6, poison_error = $7, changed = transaction_timestamp()
        WHERE name = $1
        """, cancel, name, poison.Seq, poison.EventId, poison.StreamId, poison.Version, poison.Type, poison.Error);

    /// <summary>Forgets what stopped it. False: no such projection.</summary>
    public async Task<bool> ResumeAsync(NpgsqlConnection db, string name, CancellationToken cancel) => await db.RunAsync($"""
        UPDATE {schema}.projections
        SET poison_seq = NULL, poison_event = NULL, poison_stream = NULL, poison_version = NULL, poison_type = NULL, poison_error = NULL, changed = transaction_timestamp()
        WHERE name = $1
        """, cancel, name) == 1;

    /// <summary>The state of a rebuild: requested, building, failed, or null when it has become the projection.</summary>
    public async Task<bool> RebuildAsync(NpgsqlConnection db, string name, string? state, string? error, CancellationToken cancel) => await db.RunAsync(
        $"UPDATE {schema}.projections SET rebuild = $2, rebuild_error = $3, rebuild_skipped = CASE WHEN $2 = 'building' THEN 0 ELSE rebuild_skipped END, changed = transaction_timestamp() WHERE name = $1",
        cancel, name, state, error) == 1;

    /// <summary>The rebuilt tables are the projection now.</summary>
    public async Task SucceedAsync(NpgsqlConnection db, string name, int revision, CancellationToken cancel)
    {
        await ResumeAsync(db, name, cancel);
        await db.RunAsync($"UPDATE {schema}.projections SET revision = $2, skipped = rebuild_skipped, rebuild = NULL, rebuild_error = NULL WHERE name = $1", cancel, name, revision);
    }

    /// <param name="name">Null: all of them.</param>
    public async Task<IReadOnlyList<ProjectionStatus>> StatusAsync(NpgsqlConnection db, string? name, CancellationToken cancel)
    {
        await using var command = db.Command($"""
            SELECT p.name, coalesce(live.last_seq_id, 0), greatest(0, coalesce((SELECT max(seq_id) FROM {schema}.mt_events), 0) - coalesce(live.last_seq_id, 0)), p.skipped,
                   p.poison_seq, p.poison_event, p.poison_stream, p.poison_version, p.poison_type, p.poison_error, p.rebuild, beside.last_seq_id, p.rebuild_error, p.revision, p.changed
            FROM {schema}.projections p
            LEFT JOIN {schema}.mt_event_progression live ON live.name = p.name
            LEFT JOIN {schema}.mt_event_progression beside ON beside.name = p.name || '_rebuild' AND p.rebuild IN ('building', 'failed')
            WHERE $1::varchar IS NULL OR p.name = $1
            ORDER BY p.name
            """, name);
        var found = new List<ProjectionStatus>();
        await using var row = await command.ExecuteReaderAsync(cancel);
        while (await row.ReadAsync(cancel))
        {
            var poison = row.IsDBNull(4) ? null : new Poison(row.GetInt64(4), row.GetGuid(5), row.GetGuid(6), row.GetInt64(7), row.GetString(8), row.GetString(9));
            found.Add(new(row.GetString(0), poison is null ? "running" : "stopped", row.GetInt64(1), row.GetInt64(2), row.GetInt64(3), poison,
                row.Text(10), row.IsDBNull(11) ? null : row.GetInt64(11), row.Text(12), row.GetInt32(13), row.GetFieldValue<DateTimeOffset>(14)));
        }
        return found;
    }
}
