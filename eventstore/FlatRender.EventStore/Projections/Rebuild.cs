using Npgsql;

namespace FlatRender.EventStore;

/// <summary>What a rebuild did.</summary>
public sealed record Rebuilt(long Events, TimeSpan Took);

/// <summary>
/// Reads all of history into the same tables in a schema beside the live one, then puts them in the place of the old ones in one transaction. Readers see the
/// old tables or the new, never a mixture: the swap has every old table to itself, and who waits for one finds the new one under its name.
/// </summary>
sealed class Rebuild(EventStoreOptions options, ProjectionBook book, IProjection projection, TimeProvider clock)
{
    const int Page = 4000;

    // Much shorter than PostgreSQL's search for deadlocks, so that no reader is ever its victim: rather try again than hold readers up.
    const string SwapTimeout = "100ms";

    readonly string _name = projection.Name, _row = ProjectionNames.Rebuild(projection.Name), _beside = $"{options.Schema}_{projection.Name}_rebuild";
    readonly ProjectionStep _step = new(options, book, projection, ProjectionNames.Rebuild(projection.Name), $"{options.Schema}_{projection.Name}_rebuild");

    /// <summary>Where this rebuild has brought its position: found elsewhere, it is another's.</summary>
    long _at;

    public async Task<Rebuilt> RunAsync(CancellationToken cancel)
    {
        var started = clock.GetTimestamp();
        await using var db = await options.DataSource.OpenConnectionAsync(cancel);
        // Nothing of it counts before the swap, whose own commit waits for the disk and takes all before it along.
        await db.RunAsync("SET synchronous_commit = off", cancel);
        await BeginAsync(db, cancel);
        var events = await TakeSettledAsync(db, cancel);
        events += await CatchUpAsync(db, cancel);
        while (!await TrySwapAsync(db, cancel)) events += await CatchUpAsync(db, cancel);
        return new(events, clock.GetElapsedTime(started));
    }

    async Task BeginAsync(NpgsqlConnection db, CancellationToken cancel)
    {
        await using var tx = await db.BeginTransactionAsync(cancel);
        await db.RunAsync($"DROP SCHEMA IF EXISTS {_beside} CASCADE", cancel);
        await db.RunAsync($"CREATE SCHEMA {_beside}", cancel);
        await projection.CreateAsync(db, _beside, cancel);
        await book.PlaceAsync(db, _row, 0, cancel);
        await book.RebuildAsync(db, _name, "building", null, cancel);
        await tx.CommitAsync(cancel);
    }

    /// <summary>History that a gap-proof reader has passed already needs no more proof: it is read in large pages, the next while one is taken in.</summary>
    async Task<long> TakeSettledAsync(NpgsqlConnection db, CancellationToken cancel)
    {
        var settled = await book.SettledAsync(db, [_name, "relay"], cancel);
        await using var source = await options.DataSource.OpenConnectionAsync(cancel);
        var events = 0L;
        var next = PageAsync(source, 0, settled, cancel);
        while (await next is { Count: > 0 } page)
        {
            next = PageAsync(source, page[^1].Seq, settled, cancel);
            try
            {
                if (!await _step.TakeAsync(db, _at, page, cancel)) throw new InvalidOperationException($"Somebody else rebuilds {_name} at the same time.");
            }
            finally
            {
                // The connection goes back only when nobody reads on it.
                await next;
            }
            _at = page[^1].Seq;
            events += page.Count;
        }
        return events;
    }

    async Task<long> CatchUpAsync(NpgsqlConnection db, CancellationToken cancel)
    {
        var events = 0L;
        await using var reader = await EventReader.OpenAsync(db, options.Schema, _row, Page, cancel);
        while (true)
        {
            var from = reader.Position;
            var batch = await reader.NextAsync(cancel);
            if (batch.Count == 0) return events;
            if (!await _step.TakeAsync(db, from, batch, cancel)) throw new InvalidOperationException($"Somebody else rebuilds {_name} at the same time.");
            _at = batch[^1].Seq;
            events += batch.Count;
        }
    }

    async Task<bool> TrySwapAsync(NpgsqlConnection db, CancellationToken cancel)
    {
        await using var tx = await db.BeginTransactionAsync(cancel);
        try
        {
            await db.RunAsync($"SET LOCAL lock_timeout = '{SwapTimeout}'; SET LOCAL synchronous_commit = on", cancel);
            var live = await book.HoldAsync(db, _name, cancel);
            var at = await book.HoldAsync(db, _row, cancel);
            if (at != _at) throw new InvalidOperationException($"Somebody else rebuilds {_name} at the same time.");
            // What the live one has taken in is settled; it cannot take in more while we hold its position.
            var rest = at < live ? await PageAsync(db, at, live, cancel) : [];
            if (rest.Count == Page) return false;
            if (rest.Count > 0) await _step.ApplyAsync(db, rest, cancel);
            await ReplaceAsync(db, cancel);
            await book.PlaceAsync(db, _name, Math.Max(at, live), cancel);
            await book.SucceedAsync(db, _name, projection.Revision, cancel);
            await tx.CommitAsync(cancel);
            return true;
        }
        catch (PostgresException e) when (e.SqlState is PostgresErrorCodes.LockNotAvailable or PostgresErrorCodes.DeadlockDetected)
        {
            return false;
        }
    }

    async Task ReplaceAsync(NpgsqlConnection db, CancellationToken cancel)
    {
        var tables = (string[])(await db.ScalarAsync("SELECT array_agg(tablename::text ORDER BY tablename) FROM pg_tables WHERE schemaname = $1", cancel, _beside))!;
        // A reader of several tables locks them in its own order, which is not known: the one that suits all readers is found by trying.
        Random.Shared.Shuffle(tables);
        foreach (var table in tables) await db.RunAsync($"DROP TABLE IF EXISTS {projection.Schema}.{table}", cancel);
        foreach (var table in tables) await db.RunAsync($"ALTER TABLE {_beside}.{table} SET SCHEMA {projection.Schema}", cancel);
        await db.RunAsync($"DROP SCHEMA {_beside} CASCADE", cancel);
    }

    Task<List<RecordedEvent>> PageAsync(NpgsqlConnection db, long after, long upTo, CancellationToken cancel) => db.QueryAsync(
        $"""
        SELECT {RecordedEvent.Columns}
        FROM {options.Schema}.mt_events e
        WHERE e.seq_id > $1 AND e.seq_id <= $2
        ORDER BY e.seq_id
        LIMIT {Page}
        """, r => RecordedEvent.From(r), cancel, after, upTo);
}
