using System.Text.Json;
using FlatRender.Contracts;
using FlatRender.Foundation;
using Npgsql;

namespace FlatRender.Notification;

/// <summary>
/// Ends of renders, as their owners are told of them; and, in the same transaction, what webhooks are to be told. Queued is each event once for each webhook: the position moves with it, and a
/// delivery's id is made of both. A rebuild makes the notices anew and finds every delivery there already.
/// </summary>
public sealed class Notices(NpgsqlDataSource database, Vocabulary vocabulary, Alongside history) : IProjection
{
    public const string Channel = "webhook", DeliveryKind = "delivery";

    public string Name => "notices";
    public string Schema => "notification";
    public bool SkipsUnknown => true;

    sealed record Job(Guid Id, Guid Tenant, Guid Owner, string Title);
    sealed record Told(Job Job, Notice Notice);
    sealed record Hook(Guid Id, Guid Tenant, string[] Events, DateTimeOffset Since);
    sealed record Call(Guid Id, Hook Hook, Notice Notice, string Body);

    public Task CreateAsync(NpgsqlConnection db, string schema, CancellationToken cancel) => db.RunAsync($"""
        CREATE TABLE {schema}.notice_jobs (
            job_id uuid PRIMARY KEY,
            tenant_id uuid NOT NULL,
            owner_id uuid NOT NULL,
            title text NOT NULL
        );
        CREATE TABLE {schema}.notices (
            notice_id uuid PRIMARY KEY,
            tenant_id uuid NOT NULL,
            user_id uuid NOT NULL,
            at timestamptz NOT NULL,
            notice jsonb NOT NULL
        );
        CREATE INDEX notices_of_user ON {schema}.notices (user_id, at DESC);
        """, cancel);

    public async Task ApplyAsync(NpgsqlConnection db, string schema, IReadOnlyList<RecordedEvent> batch, CancellationToken cancel)
    {
        var queued = vocabulary.NameOf(typeof(JobQueued));
        var born = batch.Where(e => e.Type == queued).Select(e => (JobQueued)e.Fact(vocabulary)).Select(q => new Job(q.JobId.Value, q.TenantId.Value, q.OwnerId.Value, q.Title)).DistinctBy(j => j.Id).ToArray();
        if (born.Length > 0)
            await db.RunAsync($"INSERT INTO {schema}.notice_jobs (job_id, tenant_id, owner_id, title) SELECT * FROM unnest($1, $2, $3, $4) ON CONFLICT DO NOTHING", cancel,
                Array.ConvertAll(born, j => j.Id), Array.ConvertAll(born, j => j.Tenant), Array.ConvertAll(born, j => j.Owner), Array.ConvertAll(born, j => j.Title));
        var ends = batch.Where(e => Notice.Events.Contains(e.Type)).ToArray();
        if (ends.Length == 0) return;
        var jobs = (await db.QueryAsync($"SELECT job_id, tenant_id, owner_id, title FROM {schema}.notice_jobs WHERE job_id = ANY ($1)", row => new Job(row.GetGuid(0), row.GetGuid(1), row.GetGuid(2), row.GetString(3)), cancel,
            ends.Select(e => e.StreamId).Distinct().ToArray())).ToDictionary(j => j.Id);
        var told = ends.Where(e => jobs.ContainsKey(e.StreamId)).Select(e => new Told(jobs[e.StreamId], Of(e, jobs[e.StreamId]))).ToArray();
        await db.RunAsync($"INSERT INTO {schema}.notices (notice_id, tenant_id, user_id, at, notice) SELECT n.id, n.tenant, n.person, n.at, n.notice::jsonb FROM unnest($1, $2, $3, $4, $5) AS n (id, tenant, person, at, notice) ON CONFLICT DO NOTHING", cancel,
            Array.ConvertAll(told, t => t.Notice.NoticeId), Array.ConvertAll(told, t => t.Job.Tenant), Array.ConvertAll(told, t => t.Job.Owner), Array.ConvertAll(told, t => t.Notice.At), Array.ConvertAll(told, t => JsonSerializer.Serialize(t.Notice, Wire.Json)));
        await QueueAsync(db, told, cancel);
    }

    async Task QueueAsync(NpgsqlConnection db, Told[] told, CancellationToken cancel)
    {
        // Held until this commits: who removes or disables one finds what is queued here.
        var hooks = await db.QueryAsync("SELECT webhook_id, tenant_id, events, created_at FROM notification.webhooks WHERE tenant_id = ANY ($1) AND disabled_at IS NULL ORDER BY webhook_id FOR SHARE",
            row => new Hook(row.GetGuid(0), row.GetGuid(1), row.GetFieldValue<string[]>(2), row.GetFieldValue<DateTimeOffset>(3)), cancel, told.Select(t => t.Job.Tenant).Distinct().ToArray());
        // What was before a webhook was made is none of its business.
        var calls = (from t in told from h in hooks where h.Tenant == t.Job.Tenant && h.Events.Contains(t.Notice.Event) && h.Since <= t.Notice.At select Made(h, t.Notice)).ToArray();
        if (calls.Length == 0) return;
        var fresh = (await db.QueryAsync("""
            INSERT INTO notification.deliveries (delivery_id, webhook_id, tenant_id, fact_id, event, body, state, attempts, tried, queued_at, next_at)
            SELECT c.id, c.webhook, c.tenant, c.fact, c.event, c.body, 'waiting', 0, 0, c.at, c.at FROM unnest($1, $2, $3, $4, $5, $6, $7) AS c (id, webhook, tenant, fact, event, body, at)
            ON CONFLICT DO NOTHING RETURNING delivery_id
            """, row => row.GetGuid(0), cancel, Array.ConvertAll(calls, c => c.Id), Array.ConvertAll(calls, c => c.Hook.Id), Array.ConvertAll(calls, c => c.Hook.Tenant), Array.ConvertAll(calls, c => c.Notice.NoticeId),
            Array.ConvertAll(calls, c => c.Notice.Event), Array.ConvertAll(calls, c => c.Body), Array.ConvertAll(calls, c => c.Notice.At))).ToHashSet();
        await history.AppendAsync(db, [.. calls.Where(c => fresh.Contains(c.Id)).Select(c => new StreamFacts(c.Id, DeliveryKind,
            [new NotificationQueued(c.Id, new TenantId(c.Hook.Tenant), c.Hook.Id, Channel, c.Notice.NoticeId, c.Notice.Event, "notification", "the webhook asks for this event")]))], "notification", cancel);
    }

    static Call Made(Hook hook, Notice notice)
    {
        var id = Ids.Derived(hook.Id, $"delivery {notice.NoticeId}");
        return new(id, hook, notice, JsonSerializer.Serialize(new WebhookCall(id, new TenantId(hook.Tenant), notice), Wire.Json));
    }

    Notice Of(RecordedEvent e, Job job)
    {
        var (step, reason) = e.Fact(vocabulary) switch
        {
            JobDone done => (Step.Done, done.Reason),
            JobFailed failed => (Step.Failed, failed.Reason),
            JobCancelled cancelled => (Step.Cancelled, cancelled.Reason),
            var other => throw new InvalidOperationException($"{other.GetType().Name} is no end of a render."),
        };
        return new(e.EventId, e.Type, new JobId(job.Id), job.Title, step, reason, e.Timestamp);
    }

    public Task<Page<Notice>> ListAsync(Caller caller, bool unread, int page, int size, CancellationToken cancel) => database.PageAsync("n.notice::text, r.read_at",
        "FROM notification.notices n LEFT JOIN notification.read_marks r ON r.user_id = n.user_id AND r.notice_id = n.notice_id WHERE n.tenant_id = $1 AND n.user_id = $2 AND (NOT $3 OR r.read_at IS NULL)", "n.at DESC, n.notice_id",
        row => JsonSerializer.Deserialize<Notice>(row.GetString(0), Wire.Json)! with { ReadAt = row.Moment(1) }, page, size, cancel, caller.TenantId.Value, caller.UserId.Value, unread);

    /// <param name="id">Null: all there are.</param>
    /// <returns>False: the person has no such notice.</returns>
    public async Task<bool> MarkReadAsync(Caller caller, Guid? id, DateTimeOffset now, CancellationToken cancel)
    {
        var mine = await database.QueryAsync("""
            WITH mine AS (SELECT notice_id FROM notification.notices WHERE tenant_id = $1 AND user_id = $2 AND ($3::uuid IS NULL OR notice_id = $3)),
            marked AS (INSERT INTO notification.read_marks (user_id, notice_id, read_at) SELECT $2, notice_id, $4 FROM mine ON CONFLICT DO NOTHING)
            SELECT count(*) FROM mine
            """, row => row.GetInt64(0), cancel, caller.TenantId.Value, caller.UserId.Value, id, now);
        return id is null || mine.Single() > 0;
    }
}
