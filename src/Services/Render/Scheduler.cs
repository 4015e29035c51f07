using System.Text.Json;
using FlatRender.Contracts;
using Npgsql;

namespace FlatRender.Render;

/// <summary>Which piece of work goes next, and to whom.</summary>
sealed partial class WorkBook
{
    /// <summary>A lease nobody renews ends after this.</summary>
    public static readonly TimeSpan LeaseTime = TimeSpan.FromSeconds(8);

    /// <summary>Frames of a chunk that are drawn again when it is checked, where drawing is dear. Where it is cheap, all are: only that finds every wrong picture.</summary>
    const int Samples = 2;

    /// <summary>Longer films have each segment decoded when it is checked: damage found only in the finished film would cost a second look at all of it.</summary>
    const int LongFilm = 3000;

    /// <summary>Leases are decided one at a time, however many dispatchers there are: so limits and shares hold exactly.</summary>
    const long Turn = 0x46524c65617365;

    // $1 node, $2 now, $3 seen since. Renders in their order: priority, then the tenant with the fewest slots, then the tenant whose turn is longest ago, then age; of the first that may go, the first piece that this node may do.
    const string Next = """
        WITH me AS (
            SELECT n.node_id, n.tags, ARRAY(SELECT jsonb_object_keys(n.engines)) AS engines
            FROM render.nodes n
            WHERE n.node_id = $1 AND n.state IN ('registered', 'ready') AND n.unfit IS NULL AND n.last_seen > $3
              AND (SELECT count(*) FROM render.tasks mine WHERE mine.state = 'leased' AND mine.node_id = n.node_id) < n.slots
        ), tenants AS (
            SELECT tenant_id, sum(leased) AS slots FROM render.jobs WHERE leased > 0 GROUP BY tenant_id
        ), templates AS (
            SELECT template, sum(leased) AS slots FROM render.jobs WHERE leased > 0 GROUP BY template
        ), renders AS (
            SELECT j.job_id, j.engine, j.tags, me.engines, j.priority, coalesce(n.slots, 0) AS share, coalesce(u.given, 0) AS turn, j.queued_at
            FROM render.jobs j
            JOIN me ON j.tags <@ me.tags
            LEFT JOIN tenants n ON n.tenant_id = j.tenant_id
            LEFT JOIN templates m ON m.template = j.template
            LEFT JOIN render.turns u ON u.tenant_id = j.tenant_id
            WHERE j.waiting > 0 AND NOT j.held AND j.stage <> 'stopped'
              AND coalesce(n.slots, 0) < coalesce((SELECT l.slots FROM render.limits l WHERE l.scope = 'tenant' AND l.key IN (j.tenant_id::text, '') ORDER BY l.key DESC LIMIT 1), 2147483647)
              AND coalesce(m.slots, 0) < coalesce((SELECT l.slots FROM render.limits l WHERE l.scope = 'template' AND l.key IN (j.template, '') ORDER BY l.key DESC LIMIT 1), 2147483647)
            ORDER BY j.priority DESC, coalesce(n.slots, 0), coalesce(u.given, 0), j.queued_at, j.job_id
        )
        SELECT r.job_id, piece.kind, piece.chunk
        FROM renders r
        CROSS JOIN LATERAL (
            SELECT t.kind, t.chunk
            FROM render.tasks t
            WHERE t.job_id = r.job_id AND t.state = 'waiting' AND t.not_before <= $2
              AND (t.kind = 'assemble' OR r.engine = ANY (r.engines))
              AND ($1 <> ALL (t.avoid) OR NOT EXISTS (
                  SELECT FROM render.nodes o
                  WHERE o.state IN ('registered', 'ready') AND o.unfit IS NULL AND o.last_seen > $3 AND o.node_id <> ALL (t.avoid) AND r.tags <@ o.tags AND (t.kind = 'assemble' OR jsonb_exists(o.engines, r.engine))))
            ORDER BY t.kind <> 'validate', t.chunk
            LIMIT 1
        ) piece
        ORDER BY r.priority DESC, r.share, r.turn, r.queued_at, r.job_id
        LIMIT 1
        """;

    /// <summary>Spares the question for each free node where nobody asks for one.</summary>
    public async Task<bool> AnythingWaitsAsync(CancellationToken cancel) =>
        (await database.QueryAsync("SELECT EXISTS (SELECT FROM render.jobs WHERE waiting > 0 AND NOT held AND stage <> 'stopped')", row => row.GetBoolean(0), cancel)).Single();

    /// <summary>Leases the next task for this node, or says there is none for it.</summary>
    public async Task<NodeTask?> LeaseAsync(NodeId node, CancellationToken cancel)
    {
        var lease = new LeaseId(Ids.New());
        var leased = await log.WriteAsync(async (db, facts) =>
        {
            await db.RunAsync("SELECT pg_advisory_xact_lock($1)", cancel, Turn);
            while (true)
            {
                var next = await db.QueryAsync(Next, row => (Job: new JobId(row.GetGuid(0)), Kind: row.GetString(1), Chunk: row.GetInt32(2)), cancel, node.Value, clock.GetUtcNow(), clock.GetUtcNow() - NodeBook.LostAfter);
                if (next.Count == 0) return null;
                var x = new Change(db, facts);
                // It may have been stopped, held or asked anew while its lock was awaited: then the choice is made again.
                if (await LockAsync(db, next[0].Job, cancel) is not { } job || await TakeUpAsync(db, job, node, lease, next[0].Kind, next[0].Chunk, cancel) is not { } task) continue;
                facts.Add(new ChunkLeased(job.Id, task.Kind, task.Chunk, task.First, task.Count, task.Epoch, lease, node));
                if (job.StartedOrder < job.Order) await ReportAsync(x, job, cancel);
                return task with { Segments = task.Kind == "render" ? [] : await SegmentsAsync(db, task, cancel) };
            }
        }, cancel);
        if (leased is null) return null;
        live.Leased(lease, leased.Job.Id);
        return TaskOf(lease, leased) with { Trace = leased.Job.Trace };
    }

    sealed record Leased(FarmJob Job, string Kind, int Chunk, int First, int Count, int Epoch)
    {
        public IReadOnlyList<SegmentFiles> Segments { get; init; } = [];
    }

    async Task<Leased?> TakeUpAsync(NpgsqlConnection db, FarmJob job, NodeId node, LeaseId lease, string kind, int chunk, CancellationToken cancel) => (await db.QueryAsync("""
        WITH taken AS (
            UPDATE render.tasks t SET state = 'leased', epoch = t.epoch + 1, lease_id = $4, node_id = $5, leased_at = $6, lease_until = $7
            FROM render.jobs j
            WHERE t.job_id = $1 AND t.kind = $2 AND t.chunk = $3 AND t.state = 'waiting' AND j.job_id = t.job_id AND NOT j.held AND j.stage <> 'stopped'
            RETURNING t.first, t.count, t.epoch, j.tenant_id
        ), turn AS (
            INSERT INTO render.turns (tenant_id, given) SELECT tenant_id, nextval('render.turn') FROM taken
            ON CONFLICT (tenant_id) DO UPDATE SET given = excluded.given
        )
        SELECT first, count, epoch FROM taken
        """, row => new Leased(job, kind, chunk, row.GetInt32(0), row.GetInt32(1), row.GetInt32(2)), cancel,
        job.Id.Value, kind, chunk, lease.Value, node.Value, clock.GetUtcNow(), clock.GetUtcNow() + LeaseTime)).SingleOrDefault();

    static Task<List<SegmentFiles>> SegmentsAsync(NpgsqlConnection db, Leased t, CancellationToken cancel) => db.QueryAsync(
        "SELECT result::text FROM render.tasks WHERE job_id = $1 AND kind = 'render' AND state = 'done' AND ($2 OR chunk = $3) ORDER BY chunk",
        row => ((TaskRendered)JsonSerializer.Deserialize<NodeResult>(row.GetString(0), Wire.Json)!).Segment,
        cancel, t.Job.Id.Value, t.Kind == "assemble", t.Chunk);

    static NodeTask TaskOf(LeaseId lease, Leased t)
    {
        // Ten seconds a frame is far beyond any real template at 4K; a hang is found without cutting off the slow.
        var deadline = 60 + t.Count * 10.0;
        var job = t.Job;
        return t.Kind switch
        {
            "render" => new RenderTask(lease, t.Epoch, job.Id, job.Film, job.TemplateDigest, deadline, job.Engine, t.First, t.Count),
            "validate" => new ValidateTask(lease, t.Epoch, job.Id, job.Film, job.TemplateDigest, deadline, job.Engine, t.Segments.Single(), SamplesOf(t), Decode: job.Film.Frames > LongFilm),
            _ => new AssembleTask(lease, t.Epoch, job.Id, job.Film, job.TemplateDigest, deadline, t.Segments, job.Film.Frames / 2),
        };
    }

    // Spread over the chunk by its place in the film, so that repeated checks look at the same frames.
    static int[] SamplesOf(Leased t) => t.Job.Engine == "skottie"
        ? [.. Enumerable.Range(t.First, t.Count)]
        : [.. Enumerable.Range(0, Samples).Select(i => t.First + (int)((t.Chunk * 7919L + i * 104729L) % t.Count)).Distinct()];
}
