using System.Diagnostics;
using System.Text.Json;
using FlatRender.Contracts;
using Npgsql;

namespace FlatRender.Render;

/// <summary>One render as the farm sees it, locked while a change to it is decided.</summary>
sealed record FarmJob(JobId Id, TenantId Tenant, int Order, string Stage, string TemplateDigest, FilmSpec Film, string Engine, string[] Tags, int StartedOrder, int ReportedOrder, Dictionary<string, double> Spent, string? Trace)
{
    /// <summary>The stage it was in when the order under way came.</summary>
    public string StageBefore { get; init; } = "";

    /// <summary>Processor seconds all its tasks took together.</summary>
    public double ComputeSeconds => Math.Round(Spent.GetValueOrDefault("cpu"), 3);
}

/// <summary>How the farm speaks to whoever watches: the bus, or a test that listens.</summary>
delegate Task Tell(object message, CancellationToken cancel);

/// <summary>A change under way, in its transaction.</summary>
/// <param name="Told">What is told once it is committed: facts to history, reports to the pipeline.</param>
sealed record Change(NpgsqlConnection Db, List<object> Told);

/// <summary>The farm's book of jobs and tasks. Each change of a job happens under its row's lock, and what the pipeline must hear of it is committed with it.</summary>
sealed partial class WorkBook(NpgsqlDataSource database, FarmLog log, TimeProvider clock, LiveBoard live)
{
    /// <summary>There is new work, or a free slot: wakes the dispatcher.</summary>
    public Signal News { get; } = new();

    const string JobColumns = "job_id, tenant_id, work_order, stage, template_digest, film::text, engine, tags, started_order, reported_order, spent::text, trace";

    /// <summary>Takes in an order of the pipeline. Older than the one in the book: ignored.</summary>
    Task OrderAsync(IAboutOrder ask, string stage, Func<Change, FarmJob, Task> change, CancellationToken cancel) =>
        ChangeAsync(ask.JobId, async (x, job) =>
        {
            // A stop may overtake the order it stops: then the order comes too late.
            if (job is null || ask.Order < job.Order || ask.Order == job.Order && job.Stage == "stopped") return null;
            // What was reported before is reported again: the pipeline asks again when it has not heard.
            await x.Db.RunAsync("UPDATE render.jobs SET work_order = $2, stage = $3, started_order = $2 - 1, reported_order = $2 - 1 WHERE job_id = $1", cancel, job.Id.Value, ask.Order, stage);
            job = job with { Order = ask.Order, Stage = stage, StageBefore = job.Stage, StartedOrder = ask.Order - 1, ReportedOrder = ask.Order - 1 };
            await change(x, job);
            return job;
        }, cancel);

    public async Task PlanAsync(PlanFrames ask, CancellationToken cancel)
    {
        var needs = ask.Needs ?? new Needs();
        // A job stopped before its plan arrived is in the book already, with the order it was stopped at.
        await database.RunAsync("""
            INSERT INTO render.jobs (job_id, tenant_id, work_order, stage, template_digest, film, priority, queued_at, template, engine, tags, trace)
            VALUES ($1, $2, 0, 'stopped', $3, $4::text::jsonb, $5, $6, $7, $8, $9, $10)
            ON CONFLICT (job_id) DO UPDATE SET tenant_id = excluded.tenant_id, template_digest = excluded.template_digest, film = excluded.film, priority = excluded.priority,
                template = excluded.template, engine = excluded.engine, tags = excluded.tags, trace = coalesce(excluded.trace, jobs.trace)
            """, cancel, ask.JobId.Value, ask.TenantId.Value, ask.TemplateDigest, JsonSerializer.Serialize(ask.Film, Wire.Json), ask.Priority, clock.GetUtcNow(),
            needs.Template?.ToString() ?? ask.TemplateDigest, ask.Film.Engine, (needs.Tags ?? []).ToArray(), Activity.Current?.Id);
        await OrderAsync(ask, "rendering", async (x, job) =>
        {
            var chunks = ChunkPlan.Of(job.Film.Frames).ToArray();
            // Chunks that are done stay done: asking again, or retrying, starts from what there is.
            await x.Db.RunAsync("""
                INSERT INTO render.tasks (job_id, kind, chunk, first, count, state, not_before)
                SELECT $1, 'render', row_number() OVER () - 1, first, count, 'waiting', $4 FROM unnest($2::int[], $3::int[]) AS plan (first, count)
                ON CONFLICT DO NOTHING
                """, cancel, job.Id.Value, chunks.Select(c => c.First).ToArray(), chunks.Select(c => c.Count).ToArray(), clock.GetUtcNow());
            // What failed before gets a new chance, wherever it is.
            await x.Db.RunAsync("UPDATE render.tasks SET failures = 0, expiries = 0, avoid = CASE kind WHEN 'validate' THEN avoid ELSE '{}' END, not_before = $2 WHERE job_id = $1 AND state = 'waiting'",
                cancel, job.Id.Value, clock.GetUtcNow());
            await x.Db.RunAsync("DELETE FROM render.failures WHERE job_id = $1", cancel, job.Id.Value);
        }, cancel);
    }

    /// <summary>Draws the chunks again that hold these frames, on other nodes where there are others; the rest stays as it is.</summary>
    public Task RepairAsync(RepairFrames ask, CancellationToken cancel) => OrderAsync(ask, "rendering", async (x, job) =>
    {
        // Asked again while it is being repaired: what was drawn anew since then is not bad.
        if (job.StageBefore == "rendering") return;
        int[] bad = [.. ask.MissingFrames, .. ask.CorruptFrames];
        await x.Db.RunAsync("""
            WITH bad AS (
                UPDATE render.tasks SET state = 'waiting', result = NULL, avoid = ARRAY[node_id], lease_id = NULL, node_id = NULL, failures = 0, expiries = 0, not_before = $3
                WHERE job_id = $1 AND kind = 'render' AND state = 'done' AND EXISTS (SELECT FROM unnest($2::int[]) frame WHERE frame >= first AND frame < first + count)
                RETURNING chunk)
            DELETE FROM render.tasks WHERE job_id = $1 AND (kind = 'assemble' OR kind = 'validate' AND chunk IN (SELECT chunk FROM bad))
            """, cancel, job.Id.Value, bad, clock.GetUtcNow());
    }, cancel);

    public Task AssembleAsync(AssembleFilm ask, CancellationToken cancel) => OrderAsync(ask, "assembling", (x, job) => x.Db.RunAsync(
        "INSERT INTO render.tasks (job_id, kind, chunk, first, count, state, not_before) VALUES ($1, 'assemble', 0, 0, $2, 'waiting', $3) ON CONFLICT DO NOTHING",
        cancel, job.Id.Value, job.Film.Frames, clock.GetUtcNow()), cancel);

    public Task ValidateAsync(ValidateFrames ask, CancellationToken cancel) => OrderAsync(ask, "validating", (x, job) => EnsureChecksAsync(x.Db, job.Id, cancel), cancel);

    public Task ResumeAsync(ResumeFrames ask, CancellationToken cancel) => OrderAsync(ask, "rendering", (_, _) => Task.CompletedTask, cancel);

    /// <summary>Stops a job at once: nothing more is leased, what is leased is fenced off.</summary>
    /// <returns>The leases that nodes must drop.</returns>
    public async Task<List<(NodeId Node, LeaseId Lease)>> StopAsync(StopWork ask, CancellationToken cancel)
    {
        var dropped = await log.WriteAsync(async (db, facts) =>
        {
            var stopped = await db.RunAsync("""
                INSERT INTO render.jobs (job_id, tenant_id, work_order, stage, template_digest, film, priority, queued_at) VALUES ($1, $1, $2, 'stopped', '', '{}', 0, $3)
                ON CONFLICT (job_id) DO UPDATE SET stage = 'stopped', work_order = greatest(render.jobs.work_order, $2) WHERE render.jobs.work_order <= $2
                """, cancel, ask.JobId.Value, ask.Order, clock.GetUtcNow());
            return stopped == 0 ? [] : await TakeAsync(new Change(db, facts), ask.JobId, "true", $"stopped: {ask.Reason}", countsAgainstIt: false, cancel);
        }, cancel);
        News.Raise();
        return dropped;
    }

    public async Task HoldAsync(JobId id, bool held, CancellationToken cancel)
    {
        await database.RunAsync("UPDATE render.jobs SET held = $2 WHERE job_id = $1", cancel, id.Value, held);
        News.Raise();
    }

    /// <summary>Changes one job under its lock, sees what that means for it, and commits what the pipeline is to be told with it.</summary>
    /// <param name="change">Returns the job as it is now, or null where nothing changed; may add to what is told.</param>
    async Task ChangeAsync(JobId id, Func<Change, FarmJob?, Task<FarmJob?>> change, CancellationToken cancel)
    {
        await log.WriteAsync(async (db, facts) =>
        {
            var x = new Change(db, facts);
            var job = await change(x, await LockAsync(db, id, cancel));
            if (job is not null) await ReportAsync(x, job, cancel);
            return job;
        }, cancel);
        News.Raise();
    }

    static async Task<FarmJob?> LockAsync(NpgsqlConnection db, JobId id, CancellationToken cancel) =>
        (await db.QueryAsync($"SELECT {JobColumns} FROM render.jobs WHERE job_id = $1 FOR UPDATE", Job, cancel, id.Value)).SingleOrDefault();

    static FarmJob Job(NpgsqlDataReader row) => new(
        new JobId(row.GetGuid(0)), new TenantId(row.GetGuid(1)), row.GetInt32(2), row.GetString(3), row.GetString(4),
        JsonSerializer.Deserialize<FilmSpec>(row.GetString(5), Wire.Json)!, row.GetString(6), row.GetFieldValue<string[]>(7), row.GetInt32(8), row.GetInt32(9),
        JsonSerializer.Deserialize<Dictionary<string, double>>(row.GetString(10), Wire.Json)!, row.Text(11));
}
