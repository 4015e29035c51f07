using System.Text.Json;
using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.Foundation;
using Npgsql;

namespace FlatRender.Gateway;

/// <summary>Renders as their owners see them: one row a render, kept up to date from its facts.</summary>
public sealed class JobViews(NpgsqlDataSource database, Vocabulary vocabulary) : IProjection
{
    public const string ProjectionName = "job_view";

    public string Name => ProjectionName;
    public string Schema => "gateway";
    public bool SkipsUnknown => true;
    public int Revision => 2;

    public Task CreateAsync(NpgsqlConnection db, string schema, CancellationToken cancel) => db.RunAsync($"""
        CREATE TABLE IF NOT EXISTS {schema}.job_view (
            job_id uuid PRIMARY KEY,
            tenant_id uuid NOT NULL,
            version bigint NOT NULL,
            step text NOT NULL,
            created_at timestamptz NOT NULL,
            film_digest text NULL,
            thumbnail_digest text NULL,
            view jsonb NOT NULL
        );
        CREATE INDEX IF NOT EXISTS job_view_of_tenant ON {schema}.job_view (tenant_id, created_at DESC);
        """, cancel);

    public async Task ApplyAsync(NpgsqlConnection db, string schema, IReadOnlyList<RecordedEvent> batch, CancellationToken cancel)
    {
        var rows = (await db.QueryAsync($"SELECT job_id, tenant_id, version, view::text, film_digest, thumbnail_digest FROM {schema}.job_view WHERE job_id = ANY ($1)",
            row => new Row(row.GetGuid(0), row.GetGuid(1), row.GetInt64(2), Read(row.GetString(3)), row.Text(4), row.Text(5)), cancel, batch.Select(e => e.StreamId).Distinct().ToArray())).ToDictionary(r => r.Id);
        var changed = new Dictionary<Guid, Row>();
        foreach (var e in batch)
        {
            var before = rows.GetValueOrDefault(e.StreamId);
            if (before?.Version >= e.Version || e.Fact(vocabulary) is not IAboutRender fact || Apply(before?.View, fact, e) is not { } view) continue;
            rows[e.StreamId] = changed[e.StreamId] = new Row(e.StreamId, fact is JobQueued queued ? queued.TenantId.Value : before!.Tenant, e.Version, view, fact is JobDone film ? film.Film.Digest : before?.Film, fact is JobDone done ? done.Film.ThumbnailDigest : before?.Thumbnail);
        }
        if (changed.Count > 0) await StoreAsync(db, schema, [.. changed.Values], cancel);
    }

    static Task StoreAsync(NpgsqlConnection db, string schema, Row[] rows, CancellationToken cancel) => db.RunAsync($"""
        INSERT INTO {schema}.job_view (job_id, tenant_id, version, step, created_at, view, film_digest, thumbnail_digest)
        SELECT r.job_id, r.tenant_id, r.version, r.step, r.created_at, r.view::jsonb, r.film, r.thumbnail FROM unnest($1, $2, $3, $4, $5, $6, $7, $8) AS r (job_id, tenant_id, version, step, created_at, view, film, thumbnail)
        ON CONFLICT (job_id) DO UPDATE SET version = excluded.version, step = excluded.step, view = excluded.view, film_digest = excluded.film_digest, thumbnail_digest = excluded.thumbnail_digest
        """, cancel,
        Array.ConvertAll(rows, r => r.Id), Array.ConvertAll(rows, r => r.Tenant), Array.ConvertAll(rows, r => r.Version), Array.ConvertAll(rows, r => r.View.Step),
        Array.ConvertAll(rows, r => r.View.CreatedAt), Array.ConvertAll(rows, r => JsonSerializer.Serialize(r.View, Wire.Json)),
        Array.ConvertAll(rows, r => r.Film), Array.ConvertAll(rows, r => r.Thumbnail));

    sealed record Row(Guid Id, Guid Tenant, long Version, RenderView View, string? Film, string? Thumbnail);

    static RenderView Read(string json) => JsonSerializer.Deserialize<RenderView>(json, Wire.Json)!;

    static RenderView? Apply(RenderView? view, IAboutRender fact, RecordedEvent at) => (view, fact) switch
    {
        (null, JobQueued e) => new RenderView(e.JobId, e.Title, Step.Queued, 0, 0, e.Film.Frames, null, null, 0, e.Film.Width, e.Film.Height, Rate(e.Film), e.Film.Seconds, e.Priority, false, e.Reason,
            at.Timestamp, null, null, null, null, null, null, null, null, e.Warnings, new Dictionary<string, double> { ["plan"] = e.PlanSeconds }, e.Needs?.Template, e.ProjectId, e.SnapshotId),
        (null, _) => null,
        (_, JobRequeued e) => view with { Step = Step.Queued, Reason = e.Reason, ErrorCode = null, TraceId = null, FinishedAt = null },
        (_, JobRendering e) => view with { Step = Step.Rendering, Reason = e.Reason, StartedAt = view.StartedAt ?? e.StartedAt },
        (_, JobValidating e) => view with { Step = Step.Validating, Reason = e.Reason },
        (_, JobFramesAccepted e) => view with { Reason = e.Reason },
        (_, JobRepair e) => view with { Step = Step.Repair, Reason = e.Reason },
        (_, JobDone e) => view with
        {
            Step = Step.Done,
            Reason = e.Reason,
            Progress = 100,
            CurrentFrame = view.TotalFrames,
            FinishedAt = at.Timestamp,
            OutputUrl = $"/v1/renders/{e.JobId}/film",
            ThumbnailUrl = $"/v1/renders/{e.JobId}/thumbnail",
            SizeBytes = e.Film.SizeBytes,
            ComputeSeconds = e.Film.ComputeSeconds,
            Timing = (view.Timing ?? new Dictionary<string, double>()).Concat(e.Film.Spent ?? new Dictionary<string, double>()).DistinctBy(t => t.Key).ToDictionary(),
        },
        (_, JobFailed e) => view with { Step = Step.Failed, Reason = e.Reason, ErrorCode = e.ErrorCode, TraceId = at.Header("trace"), FinishedAt = at.Timestamp },
        (_, JobCancelled e) => view with { Step = Step.Cancelled, Reason = e.Reason, Progress = e.ProgressWhenCancelled, FinishedAt = at.Timestamp },
        (_, JobHeld e) => view with { Held = true, Reason = e.Reason },
        (_, JobReleased e) => view with { Held = false, Reason = e.Reason },
        _ => null,
    };

    static string Rate(FilmSpec film) => film.RateDen == 1 ? $"{film.RateNum}" : $"{film.RateNum}/{film.RateDen}";

    public async Task<RenderView?> FindAsync(TenantId tenant, JobId id, CancellationToken cancel) => (await FindVersionAsync(tenant, id, cancel)).View;

    /// <returns>The view and the stream version it stands at; null and 0 where the tenant has no such render.</returns>
    public async Task<(RenderView? View, long Version)> FindVersionAsync(TenantId tenant, JobId id, CancellationToken cancel) => (await database.QueryAsync(
        "SELECT view::text, version FROM gateway.job_view WHERE job_id = $1 AND tenant_id = $2", row => ((RenderView?)Read(row.GetString(0)), row.GetInt64(1)), cancel, id.Value, tenant.Value)).SingleOrDefault();

    /// <returns>The digests of film and thumbnail; null where the tenant has no such render, or it has none yet.</returns>
    public async Task<(string Film, string Thumbnail)?> FindFilmAsync(TenantId tenant, JobId id, CancellationToken cancel) => (await database.QueryAsync(
        "SELECT film_digest, thumbnail_digest FROM gateway.job_view WHERE job_id = $1 AND tenant_id = $2 AND film_digest IS NOT NULL", row => ((string, string)?)(row.GetString(0), row.GetString(1)), cancel, id.Value, tenant.Value)).SingleOrDefault();

    /// <summary>Newest first.</summary>
    public Task<Page<RenderView>> ListAsync(TenantId tenant, RenderFilter filter, int page, int size, CancellationToken cancel) => database.PageAsync("view::text", """
            FROM gateway.job_view WHERE tenant_id = $1 AND ($2::text IS NULL OR step = $2) AND ($3::timestamptz IS NULL OR created_at >= $3) AND ($4::timestamptz IS NULL OR created_at < $4)
            AND ($5::text IS NULL OR position(lower($5) IN lower(view->>'title')) > 0) AND ($6::text IS NULL OR view->>'project_id' = $6)
            """, "created_at DESC, job_id", row => Read(row.GetString(0)), page, size, cancel,
        tenant.Value, filter.Step, filter.From?.ToUniversalTime(), filter.To?.ToUniversalTime(), filter.Title, filter.Project?.ToString());
}

/// <summary>Which renders; null: any.</summary>
/// <param name="From">Submitted then or later.</param>
/// <param name="To">Submitted before.</param>
/// <param name="Title">Part of it.</param>
public sealed record RenderFilter(string? Step, DateTimeOffset? From, DateTimeOffset? To, string? Title, ProjectId? Project);
