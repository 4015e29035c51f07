using System.Text.Json;
using FlatRender.Contracts;
using Npgsql;

namespace FlatRender.Render;

/// <summary>Leases: one task, one node, one epoch. What an older epoch brings is refused here, at the store.</summary>
sealed partial class WorkBook
{
    /// <summary>Leases of one piece that ended without a word, before its render is given up: whatever it does, it does to nodes.</summary>
    const int MaxExpiries = 10;

    /// <summary>Keeps a node's leases alive.</summary>
    /// <returns>The leases it names that are not its own any more: it must drop them.</returns>
    public async Task<IReadOnlyList<LeaseId>> RenewAsync(NodeId node, IReadOnlyList<TaskProgress> tasks, CancellationToken cancel)
    {
        if (tasks.Count == 0) return [];
        // No render is locked here, so pieces are, one by one and in the order of whoever takes them back: otherwise each could wait for the other.
        var kept = await database.QueryAsync("""
            UPDATE render.tasks t SET lease_until = $4
            FROM (
                SELECT t.job_id, t.kind, t.chunk FROM render.tasks t JOIN unnest($2::uuid[], $3::int[]) AS named (lease, epoch) ON t.lease_id = named.lease AND t.epoch = named.epoch
                WHERE t.node_id = $1 AND t.state = 'leased' ORDER BY t.job_id, t.kind, t.chunk FOR UPDATE OF t
            ) held
            WHERE t.job_id = held.job_id AND t.kind = held.kind AND t.chunk = held.chunk RETURNING t.lease_id
            """, row => row.GetGuid(0), cancel,
            node.Value, tasks.Select(t => t.LeaseId.Value).ToArray(), tasks.Select(t => t.Epoch).ToArray(), clock.GetUtcNow() + LeaseTime);
        return [.. tasks.Select(t => t.LeaseId).Where(l => !kept.Contains(l.Value))];
    }

    /// <summary>Takes back what has run out, and what nodes hold that are lost, gone or in quarantine.</summary>
    public Task SweepAsync(CancellationToken cancel) => TakeBackAsync(
        "t.lease_until < $1 OR EXISTS (SELECT FROM render.nodes n WHERE n.node_id = t.node_id AND n.state IN ('lost', 'left', 'quarantined'))",
        "its node fell silent or was taken out", countsAgainstIt: true, cancel, clock.GetUtcNow());

    /// <summary>Takes everything back that a node holds, or one lease of it.</summary>
    /// <param name="lease">Null: all.</param>
    public Task TakeBackAsync(NodeId node, LeaseId? lease, string reason, CancellationToken cancel) =>
        TakeBackAsync("t.node_id = $1 AND ($2::uuid IS NULL OR t.lease_id = $2)", reason, countsAgainstIt: false, cancel, node.Value, lease?.Value);

    async Task TakeBackAsync(string which, string reason, bool countsAgainstIt, CancellationToken cancel, params object?[] values)
    {
        foreach (var id in await database.QueryAsync($"SELECT DISTINCT t.job_id FROM render.tasks t WHERE t.state = 'leased' AND ({which})", row => new JobId(row.GetGuid(0)), cancel, values))
            await ChangeAsync(id, async (x, job) =>
            {
                var taken = await TakeAsync(x, id, which, reason, countsAgainstIt, cancel, values);
                if (job is not null && job.Stage != "stopped" && countsAgainstIt && taken.Count > 0 && await SilencesAsync(x.Db, id, cancel) is >= MaxExpiries and var nodes)
                    x.Told.Add(new RendererFailed(id, job.Order, "NODES_LOST", $"{nodes} nodes fell silent over one piece of it"));
                return null;
            }, cancel);
    }

    static async Task<int> SilencesAsync(NpgsqlConnection db, JobId id, CancellationToken cancel) =>
        (await db.QueryAsync("SELECT coalesce(max(expiries), 0) FROM render.tasks WHERE job_id = $1 AND state = 'waiting'", row => row.GetInt32(0), cancel, id.Value)).Single();

    // The job is locked.
    async Task<List<(NodeId Node, LeaseId Lease)>> TakeAsync(Change x, JobId id, string which, string reason, bool countsAgainstIt, CancellationToken cancel, params object?[] values)
    {
        var taken = await x.Db.QueryAsync($"""
            UPDATE render.tasks t SET state = 'waiting', lease_id = NULL, node_id = NULL, lease_until = NULL, expiries = t.expiries + {(countsAgainstIt ? 1 : 0)}
            FROM (SELECT t.job_id, t.kind, t.chunk, t.node_id, t.lease_id FROM render.tasks t WHERE t.job_id = ${values.Length + 1} AND t.state = 'leased' AND ({which}) ORDER BY t.kind, t.chunk FOR UPDATE OF t) old
            WHERE t.job_id = old.job_id AND t.kind = old.kind AND t.chunk = old.chunk
            RETURNING t.kind, t.chunk, t.epoch, old.lease_id, old.node_id
            """, row => new ChunkExpired(id, row.GetString(0), row.GetInt32(1), row.GetInt32(2), new LeaseId(row.GetGuid(3)), new NodeId(row.GetGuid(4)), reason), cancel, [.. values, id.Value]);
        x.Told.AddRange(taken);
        foreach (var piece in taken) live.Ended(piece.LeaseId);
        return [.. taken.Select(t => (t.NodeId, t.LeaseId))];
    }

    /// <summary>Takes in a result, once.</summary>
    /// <returns>False: the lease is not this node's any more; nothing was changed.</returns>
    public async Task<bool> CompleteAsync(NodeId node, NodeResult result, CancellationToken cancel)
    {
        var jobs = await database.QueryAsync("SELECT job_id FROM render.tasks WHERE lease_id = $1", row => new JobId(row.GetGuid(0)), cancel, result.LeaseId.Value);
        if (jobs.Count == 0) return false;
        var accepted = false;
        await ChangeAsync(jobs[0], async (x, job) =>
        {
            var held = (await x.Db.QueryAsync("SELECT kind, chunk, failures, state FROM render.tasks WHERE lease_id = $1 AND epoch = $2 AND node_id = $3 AND state IN ('leased', 'done')",
                row => (Piece: new Piece(row.GetString(0), row.GetInt32(1), result.Epoch, result.LeaseId, node), Failures: row.GetInt32(2), Done: row.GetString(3) == "done"), cancel, result.LeaseId.Value, result.Epoch, node.Value)).SingleOrDefault();
            if (held.Piece is null || job is null || !Answers(held.Piece.Kind, result)) return null;
            accepted = true;
            // The same result again: the first answer was lost on its way.
            if (held.Done) return null;
            live.Ended(result.LeaseId);
            job = await SpendAsync(x.Db, job, result.Times, cancel);
            if (result is TaskFailed failed) await FailAsync(x, job, held.Piece, held.Failures, failed, cancel);
            else await SettleAsync(x, job, held.Piece, result, cancel);
            return job;
        }, cancel);
        return accepted;
    }

    /// <summary>A piece as it was leased.</summary>
    sealed record Piece(string Kind, int Chunk, int Epoch, LeaseId Lease, NodeId Node);

    static bool Answers(string kind, NodeResult result) => (kind, result) is (_, TaskFailed) or ("render", TaskRendered) or ("validate", TaskValidated) or ("assemble", TaskAssembled);

    async Task SettleAsync(Change x, FarmJob job, Piece piece, NodeResult result, CancellationToken cancel)
    {
        await x.Db.RunAsync("UPDATE render.tasks SET state = 'done', result = $4::text::jsonb, lease_until = NULL WHERE job_id = $1 AND kind = $2 AND chunk = $3",
            cancel, job.Id.Value, piece.Kind, piece.Chunk, JsonSerializer.Serialize(result, Wire.Json));
        x.Told.Add(new ChunkCompleted(job.Id, piece.Kind, piece.Chunk, piece.Epoch, piece.Lease, piece.Node, result.Times.Cpu));
        // Each segment is checked as soon as it is there, by another node where there is one; the pipeline asks for the verdict when all are.
        if (piece.Kind == "render")
            await x.Db.RunAsync("INSERT INTO render.tasks (job_id, kind, chunk, first, count, state, not_before, avoid) SELECT job_id, 'validate', chunk, first, count, 'waiting', $3, ARRAY[node_id] FROM render.tasks WHERE job_id = $1 AND kind = 'render' AND chunk = $2 ON CONFLICT DO NOTHING",
                cancel, job.Id.Value, piece.Chunk, clock.GetUtcNow());
        if (result is TaskValidated { MissingFrames.Count: > 0 } or TaskValidated { CorruptFrames.Count: > 0 }) await RejectAsync(x, job, piece, (TaskValidated)result, cancel);
        if (result is TaskAssembled { Film: null } spoilt) x.Told.Add(new ChunkRejected(job.Id, piece.Kind, piece.Chunk, piece.Epoch, piece.Node, "FRAMES_BAD", [.. spoilt.MissingFrames, .. spoilt.CorruptFrames], spoilt.Reason));
        await PraiseAsync(x, job, piece, cancel);
    }

    // It is the drawn chunk that is rejected, not its check.
    static async Task RejectAsync(Change x, FarmJob job, Piece check, TaskValidated verdict, CancellationToken cancel) => x.Told.AddRange(await x.Db.QueryAsync(
        "SELECT epoch, node_id FROM render.tasks WHERE job_id = $1 AND kind = 'render' AND chunk = $2",
        row => new ChunkRejected(job.Id, "render", check.Chunk, row.GetInt32(0), new NodeId(row.GetGuid(1)), "FRAMES_BAD", [.. verdict.MissingFrames, .. verdict.CorruptFrames], verdict.Reason), cancel, job.Id.Value, check.Chunk));

    Task<int> EnsureChecksAsync(NpgsqlConnection db, JobId id, CancellationToken cancel) => db.RunAsync("""
        INSERT INTO render.tasks (job_id, kind, chunk, first, count, state, not_before, avoid)
        SELECT job_id, 'validate', chunk, first, count, 'waiting', $2, ARRAY[node_id] FROM render.tasks WHERE job_id = $1 AND kind = 'render' AND state = 'done'
        ON CONFLICT DO NOTHING
        """, cancel, id.Value, clock.GetUtcNow());

    static async Task<FarmJob> SpendAsync(NpgsqlConnection db, FarmJob job, TaskTimes t, CancellationToken cancel)
    {
        foreach (var (kind, seconds) in new[] { ("fetch", t.Fetch), ("start", t.Start), ("render", t.Draw), ("encode", t.Encode), ("check", t.Check), ("store", t.Store), ("cpu", t.Cpu) })
            job.Spent[kind] = Math.Round(job.Spent.GetValueOrDefault(kind) + seconds, 4);
        await db.RunAsync("UPDATE render.jobs SET spent = $2::text::jsonb WHERE job_id = $1", cancel, job.Id.Value, JsonSerializer.Serialize(job.Spent, Wire.Json));
        return job;
    }
}
