using FlatRender.Contracts;

namespace FlatRender.Render;

/// <summary>A piece failed: is it the template, or the node? Another node tells: where it can do the piece, the first was to blame; where none can, the template is.</summary>
sealed partial class WorkBook
{
    /// <summary>Failures of one piece, on different nodes where there are others, before its render is given up.</summary>
    const int MaxFailures = 3;

    /// <summary>Pieces a node failed at and others did, before it is suspected; they must be a quarter of what it did lately.</summary>
    const int MaxBlamed = 3, BlamedShare = 4;

    /// <summary>How many pieces "lately" are: then a node's record counts half.</summary>
    const int Lately = 64;

    static bool IsCrash(string code) => code is "ENGINE_CRASHED" or "ENGINE_HUNG";

    async Task FailAsync(Change x, FarmJob job, Piece piece, int failures, TaskFailed failed, CancellationToken cancel)
    {
        if (failed.Code == "ABORTED")
        {
            await TakeAsync(x, job.Id, "t.kind = $1 AND t.chunk = $2", $"its node gave it back: {failed.Reason}", countsAgainstIt: false, cancel, piece.Kind, piece.Chunk);
            return;
        }

        failures++;
        var backoff = TimeSpan.FromSeconds(Math.Pow(2, failures) * 0.5);
        await x.Db.RunAsync("""
            UPDATE render.tasks SET state = 'waiting', lease_id = NULL, node_id = NULL, lease_until = NULL, failures = $4, last_failure = $5, not_before = $6,
                avoid = CASE WHEN $7 = ANY (avoid) THEN avoid ELSE avoid || $7 END
            WHERE job_id = $1 AND kind = $2 AND chunk = $3
            """, cancel, job.Id.Value, piece.Kind, piece.Chunk, failures, $"{failed.Code}: {failed.Reason}", clock.GetUtcNow() + backoff, piece.Node.Value);
        x.Told.Add(new ChunkRejected(job.Id, piece.Kind, piece.Chunk, piece.Epoch, piece.Node, failed.Code, [], failed.Reason));
        await x.Db.RunAsync("INSERT INTO render.failures (job_id, kind, chunk, epoch, node_id, code, at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
            cancel, job.Id.Value, piece.Kind, piece.Chunk, piece.Epoch, piece.Node.Value, failed.Code, clock.GetUtcNow());
        if (IsCrash(failed.Code))
        {
            await x.Db.RunAsync("UPDATE render.nodes SET crashes = crashes + 1 WHERE node_id = $1", cancel, piece.Node.Value);
            x.Told.Add(new NodeCrashed(piece.Node, job.Id, piece.Kind, piece.Chunk, failed.Code, failed.Reason));
        }

        if (job.Stage != "stopped" && await IsHopelessAsync(x, job, piece, failed, failures, cancel) is { } reason)
        {
            x.Told.Add(new RendererFailed(job.Id, job.Order, IsCrash(failed.Code) ? "AE_REPEATED_CRASH" : failed.Code, reason));
            // No node is to blame for it any more.
            await x.Db.RunAsync("UPDATE render.failures SET verdict = 'template' WHERE job_id = $1 AND verdict IS NULL", cancel, job.Id.Value);
        }
    }

    // Null: it may be tried again.
    async Task<string?> IsHopelessAsync(Change x, FarmJob job, Piece piece, TaskFailed failed, int failures, CancellationToken cancel)
    {
        if (failed.Code == "TEMPLATE_INVALID") return failed.Reason;
        var (nodes, all, untried, drawn) = (await x.Db.QueryAsync("""
            SELECT (SELECT count(DISTINCT f.node_id)::int FROM render.failures f WHERE f.job_id = $1 AND f.kind = $2 AND f.chunk = $3),
                   (SELECT count(DISTINCT f.node_id)::int FROM render.failures f WHERE f.job_id = $1 AND f.code IN ('ENGINE_CRASHED', 'ENGINE_HUNG')),
                   EXISTS (SELECT FROM render.nodes n WHERE n.state IN ('registered', 'ready') AND n.unfit IS NULL AND n.last_seen > $4 AND $5::text[] <@ n.tags AND ($2 = 'assemble' OR jsonb_exists(n.engines, $6))
                           AND NOT EXISTS (SELECT FROM render.failures f WHERE f.job_id = $1 AND f.kind = $2 AND f.chunk = $3 AND f.node_id = n.node_id)),
                   (SELECT j.drawn FROM render.jobs j WHERE j.job_id = $1)
            """, row => (row.GetInt32(0), row.GetInt32(1), row.GetBoolean(2), row.GetInt32(3)), cancel,
            job.Id.Value, piece.Kind, piece.Chunk, clock.GetUtcNow() - NodeBook.LostAfter, job.Tags, job.Engine)).Single();
        if (failures >= MaxFailures && (nodes >= MaxFailures || !untried)) return $"{failures} attempts failed on {Count(nodes, "node")}, the last one: {failed.Reason}";
        // Nobody has drawn any of it, and it has brought down the engines of several: it need not be one chunk.
        if (IsCrash(failed.Code) && drawn == 0 && all >= MaxFailures) return $"it crashed the engines of {all} nodes, and none has drawn any of it; the last one: {failed.Reason}";
        return null;
    }

    /// <summary>A piece is done: good for its node, bad for those that failed at it.</summary>
    async Task PraiseAsync(Change x, FarmJob job, Piece piece, CancellationToken cancel)
    {
        // A record that grows old counts half, so that what a node does now weighs more.
        await x.Db.RunAsync("UPDATE render.nodes SET ended = CASE WHEN ended >= $2 THEN ended / 2 ELSE ended + 1 END, blamed = CASE WHEN ended >= $2 THEN blamed / 2 ELSE blamed END WHERE node_id = $1", cancel, piece.Node.Value, Lately);
        var guilty = await x.Db.QueryAsync("UPDATE render.failures SET verdict = 'node' WHERE job_id = $1 AND kind = $2 AND chunk = $3 AND node_id <> $4 AND verdict IS NULL RETURNING node_id",
            row => row.GetGuid(0), cancel, job.Id.Value, piece.Kind, piece.Chunk, piece.Node.Value);
        if (guilty.Count == 0) return;
        // The last node that works is never taken out: then there would be none.
        var bad = await x.Db.QueryAsync("""
            WITH blamed AS (UPDATE render.nodes n SET blamed = n.blamed + 1 WHERE n.node_id = ANY ($1) RETURNING n.node_id, n.state, n.blamed, n.ended)
            SELECT node_id, blamed, ended FROM blamed
            WHERE state IN ('registered', 'ready') AND blamed >= $2 AND blamed * $3 >= blamed + ended
              AND EXISTS (SELECT FROM render.nodes o WHERE o.node_id <> blamed.node_id AND o.state IN ('registered', 'ready') AND o.unfit IS NULL AND o.last_seen > $4)
            """, row => (Node: new NodeId(row.GetGuid(0)), Blamed: row.GetInt32(1), Ended: row.GetInt32(2)), cancel,
            guilty.Distinct().ToArray(), MaxBlamed, BlamedShare, clock.GetUtcNow() - NodeBook.LostAfter);
        foreach (var (node, blamed, ended) in bad)
            await NodeBook.QuarantineAsync(x.Db, x.Told, node, "farm", $"it failed at {blamed} pieces that others did, and did {Count(ended, "other")} itself", cancel);
    }

    static string Count(int n, string what) => $"{n} {what}{(n == 1 ? "" : "s")}";
}
