using System.Text.Json;
using FlatRender.Contracts;
using FlatRender.Foundation;
using Npgsql;

namespace FlatRender.Render;

/// <summary>Leases: one task, one node, one epoch. What an older epoch brings is refused here, at the store.</summary>
sealed partial class WorkBook
{
    /// <summary>A lease nobody renews ends after this.</summary>
    public static readonly TimeSpan LeaseTime = TimeSpan.FromSeconds(8);

    /// <summary>Failures of one task before its render is given up.</summary>
    const int MaxFailures = 3;

    /// <summary>Frames of a chunk that are drawn again when it is checked, where drawing is dear. Where it is cheap, all are: only that finds every wrong picture.</summary>
    const int Samples = 2;

    /// <summary>Longer films have each segment decoded when it is checked: damage found only in the finished film would cost a second look at all of it.</summary>
    const int LongFilm = 3000;

    /// <summary>Leases the next task for this node, or says there is none: by priority, then the tenant with the least under way, then age.</summary>
    public async Task<NodeTask?> LeaseAsync(NodeId node, int slots, CancellationToken cancel)
    {
        var lease = new LeaseId(Ids.New());
        var now = clock.GetUtcNow();
        var leased = await database.QueryAsync("""
            WITH next AS (
                SELECT t.job_id, t.kind, t.chunk
                FROM render.tasks t JOIN render.jobs j ON j.job_id = t.job_id
                WHERE t.state = 'waiting' AND t.not_before <= $3 AND NOT j.held AND j.stage <> 'stopped'
                  AND (SELECT count(*) FROM render.tasks mine WHERE mine.state = 'leased' AND mine.node_id = $1) < $5
                ORDER BY j.priority DESC,
                         (SELECT count(*) FROM render.tasks r JOIN render.jobs rj ON rj.job_id = r.job_id WHERE r.state = 'leased' AND rj.tenant_id = j.tenant_id),
                         j.queued_at, j.job_id, t.kind <> 'validate', t.chunk
                LIMIT 1
                FOR UPDATE OF t SKIP LOCKED)
            UPDATE render.tasks t SET state = 'leased', epoch = t.epoch + 1, lease_id = $2, node_id = $1, lease_until = $4
            FROM next, render.jobs j
            WHERE t.job_id = next.job_id AND t.kind = next.kind AND t.chunk = next.chunk AND j.job_id = t.job_id
            RETURNING t.job_id, t.kind, t.chunk, t.first, t.count, t.epoch, j.film::text, j.template_digest
            """,
            row => new Leased(new JobId(row.GetGuid(0)), row.GetString(1), row.GetInt32(2), row.GetInt32(3), row.GetInt32(4), row.GetInt32(5),
                JsonSerializer.Deserialize<FilmSpec>(row.GetString(6), Wire.Json)!, row.GetString(7)),
            cancel, node.Value, lease.Value, now, now + LeaseTime, slots);
        if (leased.SingleOrDefault() is not { } task) return null;
        live.Leased(lease, task.Job);
        // Tells the pipeline, once, that its order is being worked on.
        if (task.Kind == "render") await ChangeAsync(task.Job, (_, job, _) => Task.FromResult(job), cancel);
        return await TaskAsync(lease, task, cancel);
    }

    sealed record Leased(JobId Job, string Kind, int Chunk, int First, int Count, int Epoch, FilmSpec Film, string Template);

    async Task<NodeTask> TaskAsync(LeaseId lease, Leased t, CancellationToken cancel)
    {
        // Ten seconds a frame is far beyond any real template at 4K; a hang is found without cutting off the slow.
        var deadline = 60 + t.Count * 10.0;
        if (t.Kind == "render") return new RenderTask(lease, t.Epoch, t.Job, t.Film, t.Template, deadline, t.Film.Engine, t.First, t.Count);
        var segments = await database.QueryAsync(
            "SELECT result::text FROM render.tasks WHERE job_id = $1 AND kind = 'render' AND state = 'done' AND ($2 OR chunk = $3) ORDER BY chunk",
            row => ((TaskRendered)JsonSerializer.Deserialize<NodeResult>(row.GetString(0), Wire.Json)!).Segment,
            cancel, t.Job.Value, t.Kind == "assemble", t.Chunk);
        return t.Kind == "validate"
            ? new ValidateTask(lease, t.Epoch, t.Job, t.Film, t.Template, deadline, t.Film.Engine, segments.Single(), SamplesOf(t), Decode: t.Film.Frames > LongFilm)
            : new AssembleTask(lease, t.Epoch, t.Job, t.Film, t.Template, deadline, segments, t.Film.Frames / 2);
    }

    // Spread over the chunk by its place in the film, so that repeated checks look at the same frames.
    static int[] SamplesOf(Leased t) => t.Film.Engine == "skottie"
        ? [.. Enumerable.Range(t.First, t.Count)]
        : [.. Enumerable.Range(0, Samples).Select(i => t.First + (int)((t.Chunk * 7919L + i * 104729L) % t.Count)).Distinct()];

    /// <summary>Keeps a node's leases alive.</summary>
    /// <returns>The leases it names that are not its own any more: it must drop them.</returns>
    public async Task<IReadOnlyList<LeaseId>> RenewAsync(NodeId node, IReadOnlyList<TaskProgress> tasks, CancellationToken cancel)
    {
        if (tasks.Count == 0) return [];
        var kept = await database.QueryAsync("""
            UPDATE render.tasks t SET lease_until = $4 FROM unnest($2::uuid[], $3::int[]) AS named (lease, epoch)
            WHERE t.lease_id = named.lease AND t.epoch = named.epoch AND t.node_id = $1 AND t.state = 'leased' RETURNING t.lease_id
            """, row => row.GetGuid(0), cancel,
            node.Value, tasks.Select(t => t.LeaseId.Value).ToArray(), tasks.Select(t => t.Epoch).ToArray(), clock.GetUtcNow() + LeaseTime);
        return [.. tasks.Select(t => t.LeaseId).Where(l => !kept.Contains(l.Value))];
    }

    /// <summary>Takes tasks back whose lease has run out, or whose node will not do them.</summary>
    /// <param name="node">Only this node's, whether run out or not; null: everybody's that ran out.</param>
    public async Task TakeBackAsync(NodeId? node, LeaseId? lease, CancellationToken cancel)
    {
        var back = await database.RunAsync("""
            UPDATE render.tasks SET state = 'waiting', lease_id = NULL, node_id = NULL, lease_until = NULL
            WHERE state = 'leased' AND ($1::uuid IS NULL AND lease_until < $2 OR node_id = $1 AND ($3::uuid IS NULL OR lease_id = $3))
            """, cancel, node?.Value, clock.GetUtcNow(), lease?.Value);
        if (back > 0) News.Raise();
    }

    /// <summary>Takes in a result, once.</summary>
    /// <returns>False: the lease is not this node's any more; nothing was changed.</returns>
    public async Task<bool> CompleteAsync(NodeId node, NodeResult result, CancellationToken cancel)
    {
        var jobs = await database.QueryAsync("SELECT job_id FROM render.tasks WHERE lease_id = $1", row => new JobId(row.GetGuid(0)), cancel, result.LeaseId.Value);
        if (jobs.Count == 0) return false;
        var accepted = false;
        await ChangeAsync(jobs[0], async (db, job, reports) =>
        {
            var held = await db.QueryAsync("SELECT kind, chunk, failures, state FROM render.tasks WHERE lease_id = $1 AND epoch = $2 AND node_id = $3 AND state IN ('leased', 'done')",
                row => (Kind: row.GetString(0), Chunk: row.GetInt32(1), Failures: row.GetInt32(2), Done: row.GetString(3) == "done"), cancel, result.LeaseId.Value, result.Epoch, node.Value);
            if (held.Count == 0 || job is null) return null;
            accepted = true;
            // The same result again: the first answer was lost on its way.
            if (held[0].Done) return null;
            job = await SpendAsync(db, job, result.Times, cancel);
            if (result is TaskFailed failed) await FailAsync(db, job, held[0].Kind, held[0].Chunk, held[0].Failures + 1, failed, reports, cancel);
            else await SettleAsync(db, job, held[0].Kind, held[0].Chunk, result, cancel);
            return job;
        }, cancel);
        return accepted;
    }

    async Task SettleAsync(NpgsqlConnection db, FarmJob job, string kind, int chunk, NodeResult result, CancellationToken cancel)
    {
        await db.RunAsync("UPDATE render.tasks SET state = 'done', result = $4::text::jsonb, lease_until = NULL WHERE job_id = $1 AND kind = $2 AND chunk = $3",
            cancel, job.Id.Value, kind, chunk, JsonSerializer.Serialize(result, Wire.Json));
        // Each segment is checked as soon as it is there; the pipeline asks for the verdict when all are.
        if (kind == "render") await EnsureChecksAsync(db, job.Id, cancel);
    }

    Task<int> EnsureChecksAsync(NpgsqlConnection db, JobId id, CancellationToken cancel) => db.RunAsync("""
        INSERT INTO render.tasks (job_id, kind, chunk, first, count, state, not_before)
        SELECT job_id, 'validate', chunk, first, count, 'waiting', $2 FROM render.tasks WHERE job_id = $1 AND kind = 'render' AND state = 'done'
        ON CONFLICT DO NOTHING
        """, cancel, id.Value, clock.GetUtcNow());

    public Task ValidateAsync(ValidateFrames ask, CancellationToken cancel) => OrderAsync(ask, "validating", (db, job) => EnsureChecksAsync(db, job.Id, cancel), cancel);

    async Task FailAsync(NpgsqlConnection db, FarmJob job, string kind, int chunk, int failures, TaskFailed failed, List<object> reports, CancellationToken cancel)
    {
        if (failed.Code == "ABORTED") failures--;
        var backoff = TimeSpan.FromSeconds(Math.Pow(2, failures) * 0.5);
        await db.RunAsync("""
            UPDATE render.tasks SET state = 'waiting', lease_id = NULL, node_id = NULL, lease_until = NULL, failures = $4, last_failure = $5, not_before = $6
            WHERE job_id = $1 AND kind = $2 AND chunk = $3
            """, cancel, job.Id.Value, kind, chunk, failures, $"{failed.Code}: {failed.Reason}", clock.GetUtcNow() + backoff);
        if (job.Stage == "stopped" || failed.Code != "TEMPLATE_INVALID" && failures < MaxFailures) return;
        var code = failed.Code is "ENGINE_CRASHED" or "ENGINE_HUNG" ? "AE_REPEATED_CRASH" : failed.Code;
        var reason = failed.Code == "TEMPLATE_INVALID" ? failed.Reason : $"{failures} attempts failed, the last one: {failed.Reason}";
        reports.Add(new RendererFailed(job.Id, job.Order, code, reason));
    }

    async Task<FarmJob> SpendAsync(NpgsqlConnection db, FarmJob job, TaskTimes t, CancellationToken cancel)
    {
        foreach (var (kind, seconds) in new[] { ("fetch", t.Fetch), ("start", t.Start), ("render", t.Draw), ("encode", t.Encode), ("check", t.Check), ("store", t.Store), ("cpu", t.Cpu) })
            job.Spent[kind] = Math.Round(job.Spent.GetValueOrDefault(kind) + seconds, 4);
        await db.RunAsync("UPDATE render.jobs SET spent = $2::text::jsonb WHERE job_id = $1", cancel, job.Id.Value, JsonSerializer.Serialize(job.Spent, Wire.Json));
        return job;
    }
}
