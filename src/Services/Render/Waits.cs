using FlatRender.Contracts;
using Npgsql;

namespace FlatRender.Render;

/// <summary>Why does it wait? Answered from the rows the scheduler decides by, piece by piece, with the scheduler's own rules.</summary>
sealed partial class FarmState
{
    const int MostChunks = 100;

    sealed record Render(string Stage, bool Held, TenantId Tenant, string Template, string Engine, string[] Tags, int Chunks, int Drawn, int Checked, long TenantSlots, int? TenantLimit, long TemplateSlots, int? TemplateLimit, int Before);
    sealed record Worker(Guid Id, string Name, string[] Tags, string[] Engines, bool Free, string? Unfit);
    sealed record Undone(string Kind, int Chunk, int First, int Count, bool Leased, Guid? Node, DateTimeOffset NotBefore, Guid[] Avoid, string? LastFailure);

    /// <summary>Never without a reason, for a render the pipeline has not ended.</summary>
    public async Task<WaitExplained> ExplainAsync(JobId id, CancellationToken cancel)
    {
        // One snapshot: a piece that changes hands meanwhile is on one side or the other.
        await using var db = await database.OpenConnectionAsync(cancel);
        await using var snapshot = await db.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead, cancel);
        if ((await RenderAsync(db, id, cancel)).SingleOrDefault() is not { } render)
            return new(id, [new("NOT_PLANNED", "The pipeline has not asked the farm for it yet.")], 0, 0, 0, []);
        var workers = await WorkersAsync(db, cancel);
        var undone = await UndoneAsync(db, id, cancel);
        var done = (await db.QueryAsync("SELECT count(*)::int FROM render.tasks WHERE job_id = $1 AND state = 'done'", row => row.GetInt32(0), cancel, id.Value)).Single();
        if (render.Stage == "stopped") return new(id, [new("STOPPED", "The farm was told to stop; the pipeline has its end, or will ask anew.")], undone.Count, 0, done, []);

        var gates = Gates(render).ToArray();
        var pieces = undone.Select(p => Of(p, render, gates, workers)).ToArray();
        var reasons = gates.Where(_ => undone.Any(p => !p.Leased))
            .Concat(pieces.Where(p => gates.All(g => g.Code != p.Code)).GroupBy(p => p.Code).Select(g => new WaitReason(g.Key, g.First().Message, g.Min(p => p.Until), g.Count())))
            .Concat(Later(render, undone)).ToArray();
        return new(id, reasons, undone.Count(p => !p.Leased), undone.Count(p => p.Leased), done, [.. pieces.Take(MostChunks)]);
    }

    // What holds all of its pieces.
    static IEnumerable<WaitReason> Gates(Render r)
    {
        if (r.Held) yield return new("HELD", "Support holds it back.");
        if (r.TenantSlots >= r.TenantLimit) yield return new("TENANT_LIMIT", $"Its tenant uses {r.TenantSlots} of the {r.TenantLimit} slots it may use at once.");
        if (r.TemplateSlots >= r.TemplateLimit) yield return new("TEMPLATE_LIMIT", $"Renders of its template use {r.TemplateSlots} of the {r.TemplateLimit} slots they may use at once.");
    }

    ChunkWait Of(Undone p, Render render, WaitReason[] gates, List<Worker> workers)
    {
        var (code, message, until) = p.Leased ? ("UNDER_WAY", $"{workers.Find(w => w.Id == p.Node)?.Name ?? "A node"} works on it.", (DateTimeOffset?)null)
            : gates.Length > 0 ? (gates[0].Code, gates[0].Message, null)
            : Blocked(p, render, workers);
        return new(p.Kind, p.Chunk, p.First, p.Count, code, message, until);
    }

    (string Code, string Message, DateTimeOffset? Until) Blocked(Undone p, Render render, List<Worker> workers)
    {
        if (p.NotBefore > clock.GetUtcNow()) return ("BACKOFF", $"It rests until it is tried again, since: {p.LastFailure ?? "it was put off"}.", p.NotBefore);
        if (workers.Count == 0) return ("NO_NODE", "No node is there.", null);
        var tagged = workers.Where(w => render.Tags.All(w.Tags.Contains)).ToArray();
        if (tagged.Length == 0) return ("NO_NODE_WITH_TAG", $"No node that is there has {(render.Tags.Length == 1 ? "the tag" : "all of the tags")} {string.Join(", ", render.Tags)}.", null);
        var fit = tagged.Where(w => p.Kind == "assemble" || w.Engines.Contains(render.Engine)).ToArray();
        if (fit.Length == 0) return ("NO_NODE_WITH_ENGINE", $"No node that is there{(render.Tags.Length > 0 ? " and has its tags" : "")} has the engine {render.Engine}.", null);
        var able = fit.Where(w => w.Unfit is null).ToArray();
        if (able.Length == 0) return ("NODE_UNFIT", $"No node that may do it can take anything now: {string.Join("; ", fit.Select(w => $"{w.Name}: {w.Unfit}"))}.", null);
        var others = able.Where(w => !p.Avoid.Contains(w.Id)).ToArray();
        var mine = others.Length > 0 ? others : able;
        if (mine.Any(w => w.Free)) return ("NEXT", render.Before == 0 ? "A slot is free: it is next." : $"A slot is free; {render.Before} renders go before it.", null);
        if (able.Any(w => w.Free)) return ("OTHER_NODE", p.Kind == "validate" ? "Another node than the one that drew it checks it, and all others are busy." : "A node that failed at it is free; the others are busy.", null);
        return ("NO_FREE_SLOT", $"All slots of the {mine.Length} {(mine.Length == 1 ? "node" : "nodes")} that may do it are taken; {render.Before} renders go before it.", null);
    }

    // What else must come before the render is over.
    static IEnumerable<WaitReason> Later(Render r, List<Undone> undone)
    {
        var checks = undone.Count(p => p.Kind == "validate");
        if (checks > 0) yield return new("VALIDATION", $"{checks} segments are not checked yet.", Pieces: checks);
        if (undone.Any(p => p.Kind == "assemble")) yield return new("ASSEMBLY", "The film is not joined yet.", Pieces: 1);
        if (undone.Count == 0) yield return r.Chunks == 0
            ? new("NOT_PLANNED", "Its chunks are not planned yet.")
            : new("PIPELINE", $"Every piece ordered is done ({r.Stage}); the pipeline has been told, and asks again at its next reminder if it has not heard.");
    }

    static Task<List<Render>> RenderAsync(NpgsqlConnection db, JobId id, CancellationToken cancel) => db.QueryAsync("""
        SELECT j.stage, j.held, j.tenant_id, j.template, j.engine, j.tags, j.chunks, j.drawn, j.checked,
               n.slots, (SELECT l.slots FROM render.limits l WHERE l.scope = 'tenant' AND l.key IN (j.tenant_id::text, '') ORDER BY l.key DESC LIMIT 1),
               (SELECT coalesce(sum(o.leased), 0) FROM render.jobs o WHERE o.leased > 0 AND o.template = j.template),
               (SELECT l.slots FROM render.limits l WHERE l.scope = 'template' AND l.key IN (j.template, '') ORDER BY l.key DESC LIMIT 1),
               (SELECT count(*)::int FROM render.jobs o LEFT JOIN (SELECT tenant_id, sum(leased) AS slots FROM render.jobs WHERE leased > 0 GROUP BY tenant_id) s ON s.tenant_id = o.tenant_id LEFT JOIN render.turns v ON v.tenant_id = o.tenant_id
                WHERE o.waiting > 0 AND NOT o.held AND o.stage <> 'stopped' AND (-o.priority, coalesce(s.slots, 0), coalesce(v.given, 0), o.queued_at, o.job_id) < (-j.priority, n.slots, coalesce(u.given, 0), j.queued_at, j.job_id))
        FROM render.jobs j
        LEFT JOIN render.turns u ON u.tenant_id = j.tenant_id
        CROSS JOIN LATERAL (SELECT coalesce(sum(o.leased), 0) AS slots FROM render.jobs o WHERE o.leased > 0 AND o.tenant_id = j.tenant_id) n
        WHERE j.job_id = $1
        """, row => new Render(row.GetString(0), row.GetBoolean(1), new TenantId(row.GetGuid(2)), row.GetString(3), row.GetString(4), row.GetFieldValue<string[]>(5), row.GetInt32(6), row.GetInt32(7), row.GetInt32(8),
            row.GetInt64(9), row.IsDBNull(10) ? null : row.GetInt32(10), row.GetInt64(11), row.IsDBNull(12) ? null : row.GetInt32(12), row.GetInt32(13)), cancel, id.Value);

    Task<List<Worker>> WorkersAsync(NpgsqlConnection db, CancellationToken cancel) => db.QueryAsync("""
        SELECT n.node_id, n.name, n.tags, ARRAY(SELECT jsonb_object_keys(n.engines)), (SELECT count(*) FROM render.tasks t WHERE t.state = 'leased' AND t.node_id = n.node_id) < n.slots, n.unfit
        FROM render.nodes n WHERE n.state IN ('registered', 'ready') AND n.last_seen > $1
        """, row => new Worker(row.GetGuid(0), row.GetString(1), row.GetFieldValue<string[]>(2), row.GetFieldValue<string[]>(3), row.GetBoolean(4), row.Text(5)), cancel, clock.GetUtcNow() - NodeBook.LostAfter);

    static Task<List<Undone>> UndoneAsync(NpgsqlConnection db, JobId id, CancellationToken cancel) => db.QueryAsync(
        "SELECT kind, chunk, first, count, state = 'leased', node_id, not_before, avoid, last_failure FROM render.tasks WHERE job_id = $1 AND state <> 'done' ORDER BY kind <> 'validate', chunk",
        row => new Undone(row.GetString(0), row.GetInt32(1), row.GetInt32(2), row.GetInt32(3), row.GetBoolean(4), row.IsDBNull(5) ? null : row.GetGuid(5),
            row.GetFieldValue<DateTimeOffset>(6), row.GetFieldValue<Guid[]>(7), row.Text(8)), cancel, id.Value);
}
