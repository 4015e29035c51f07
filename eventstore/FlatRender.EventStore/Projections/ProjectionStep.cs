using System.Diagnostics.Metrics;
using Npgsql;

namespace FlatRender.EventStore;

/// <summary>Takes events into a projection's tables: the same code whether it follows history live or reads it all again.</summary>
/// <param name="row">Its row in the progression.</param>
/// <param name="tables">The schema of the tables.</param>
sealed class ProjectionStep(EventStoreOptions options, ProjectionBook book, IProjection projection, string row, string tables)
{
    static readonly Meter Meter = new("FlatRender.Projections");
    static readonly Counter<long> Taken = Meter.CreateCounter<long>("flatrender_projection_events", description: "Events taken in, by projection.");
    static readonly Counter<long> Unknown = Meter.CreateCounter<long>("flatrender_projection_skipped", description: "Events of unknown types passed over, by projection.");

    bool IsRebuild => row != projection.Name;

    /// <summary>Takes the batch in and moves the position, both or neither. False: somebody else has moved it; read it again.</summary>
    /// <exception cref="ProjectionStoppedException">An event cannot be taken in; everything before it is.</exception>
    public async Task<bool> TakeAsync(NpgsqlConnection db, long from, IReadOnlyList<RecordedEvent> batch, CancellationToken cancel)
    {
        try
        {
            return await CommitAsync(db, from, batch, cancel);
        }
        catch (Exception e) when (!IsOutage(e, db, cancel))
        {
            // Something in it cannot be taken in: find which, and take in all before it.
            return batch.Count == 1 ? throw new ProjectionStoppedException(projection.Name, Poison.Of(batch[0], e)) : await TakeSinglyAsync(db, from, batch, cancel);
        }
    }

    async Task<bool> TakeSinglyAsync(NpgsqlConnection db, long from, IReadOnlyList<RecordedEvent> batch, CancellationToken cancel)
    {
        foreach (var e in batch)
        {
            if (!await TakeAsync(db, from, [e], cancel)) return false;
            from = e.Seq;
        }
        return true;
    }

    async Task<bool> CommitAsync(NpgsqlConnection db, long from, IReadOnlyList<RecordedEvent> batch, CancellationToken cancel)
    {
        await using var tx = await db.BeginTransactionAsync(cancel);
        // First, and locking: what follows is done by one process only, in the tables that bear the name at this moment.
        if (!await book.MoveAsync(db, row, from, batch[^1].Seq, cancel)) return false;
        // Looked at once the position is ours: a rebuild by another version may have put tables of another shape here, at the very position where we stood.
        if (!IsRebuild && await book.RevisionAsync(db, projection.Name, cancel) != projection.Revision) return false;
        await ApplyAsync(db, batch, cancel);
        await tx.CommitAsync(cancel);
        return true;
    }

    /// <summary>Takes the batch in within the caller's transaction.</summary>
    public async Task ApplyAsync(NpgsqlConnection db, IReadOnlyList<RecordedEvent> batch, CancellationToken cancel)
    {
        var known = batch.All(Knows) ? batch : [.. batch.Where(Knows)];
        if (known.Count < batch.Count && !projection.SkipsUnknown) options.Vocabulary.TypeOf(batch.First(e => !Knows(e)).Type);
        if (known.Count > 0) await projection.ApplyAsync(db, tables, known, cancel);
        if (known.Count < batch.Count) await book.SkipAsync(db, projection.Name, IsRebuild, batch.Count - known.Count, cancel);
        Taken.Add(known.Count, new KeyValuePair<string, object?>("projection", row));
        Unknown.Add(batch.Count - known.Count, new KeyValuePair<string, object?>("projection", row));
    }

    bool Knows(RecordedEvent e) => options.Vocabulary.Knows(e.Type);

    // The database is away or busy, or we are told to end: no fault of an event.
    static bool IsOutage(Exception e, NpgsqlConnection db, CancellationToken cancel) =>
        cancel.IsCancellationRequested || e is ProjectionStoppedException or NpgsqlException { IsTransient: true } || db.State != System.Data.ConnectionState.Open;
}
