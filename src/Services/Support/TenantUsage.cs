using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.Foundation;
using Npgsql;

namespace FlatRender.Support;

/// <summary>What a tenant used on a day (UTC).</summary>
/// <param name="Frames">Of the films delivered that day.</param>
public sealed record UsageDay(TenantId TenantId, DateOnly Day, long Submitted, long Films, long Frames, decimal ComputeSeconds, long Failures, long Cancelled);

/// <summary>Submissions, films, frames, compute seconds and failures, by tenant and day.</summary>
public sealed class TenantUsage(NpgsqlDataSource database, Vocabulary vocabulary) : IProjection
{
    public string Name => "tenant_usage";
    public string Schema => "support";
    public bool SkipsUnknown => true;

    // Sums are numeric: they come out the same in whatever portions they are added.
    public Task CreateAsync(NpgsqlConnection db, string schema, CancellationToken cancel) => db.RunAsync($"""
        CREATE TABLE {schema}.tenant_usage_jobs (
            job_id uuid PRIMARY KEY,
            tenant_id uuid NOT NULL
        );
        CREATE TABLE {schema}.tenant_usage (
            tenant_id uuid NOT NULL,
            day date NOT NULL,
            submitted bigint NOT NULL,
            films bigint NOT NULL,
            frames bigint NOT NULL,
            compute_seconds numeric NOT NULL,
            failures bigint NOT NULL,
            cancelled bigint NOT NULL,
            PRIMARY KEY (tenant_id, day)
        );
        """, cancel);

    public async Task ApplyAsync(NpgsqlConnection db, string schema, IReadOnlyList<RecordedEvent> batch, CancellationToken cancel)
    {
        var used = batch.Select(Used.Of(vocabulary)).OfType<Used>().ToArray();
        if (used.Length == 0) return;
        var born = used.Where(u => u.Tenant is not null).ToArray();
        await db.RunAsync($"INSERT INTO {schema}.tenant_usage_jobs (job_id, tenant_id) SELECT * FROM unnest($1, $2) ON CONFLICT DO NOTHING", cancel,
            Array.ConvertAll(born, u => u.Job), Array.ConvertAll(born, u => u.Tenant!.Value));
        await db.RunAsync($"""
            INSERT INTO {schema}.tenant_usage AS t (tenant_id, day, submitted, films, frames, compute_seconds, failures, cancelled)
            SELECT j.tenant_id, u.day, sum(u.submitted), sum(u.films), sum(u.frames), sum(u.compute_seconds), sum(u.failures), sum(u.cancelled)
            FROM unnest($1, $2, $3, $4, $5, $6, $7, $8) AS u (job_id, day, submitted, films, frames, compute_seconds, failures, cancelled)
            JOIN {schema}.tenant_usage_jobs j USING (job_id)
            GROUP BY j.tenant_id, u.day
            ORDER BY j.tenant_id, u.day
            ON CONFLICT (tenant_id, day) DO UPDATE
            SET submitted = t.submitted + excluded.submitted, films = t.films + excluded.films, frames = t.frames + excluded.frames,
                compute_seconds = t.compute_seconds + excluded.compute_seconds, failures = t.failures + excluded.failures, cancelled = t.cancelled + excluded.cancelled
            """, cancel,
            Each(u => u.Job), Each(u => u.Day), Each(u => u.Submitted), Each(u => u.Films), Each(u => u.Frames), Each(u => u.ComputeSeconds), Each(u => u.Failures), Each(u => u.Cancelled));

        T[] Each<T>(Converter<Used, T> of) => Array.ConvertAll(used, of);
    }

    /// <param name="tenant">Null: all.</param>
    public Task<List<UsageDay>> ListAsync(Guid? tenant, DateOnly from, DateOnly to, CancellationToken cancel) => database.QueryAsync("""
        SELECT tenant_id, day, submitted, films, frames, compute_seconds, failures, cancelled FROM support.tenant_usage
        WHERE (cardinality($1) = 0 OR tenant_id = ANY ($1)) AND day BETWEEN $2 AND $3 ORDER BY day, tenant_id
        """,
        row => new UsageDay(new TenantId(row.GetGuid(0)), row.GetFieldValue<DateOnly>(1), row.GetInt64(2), row.GetInt64(3), row.GetInt64(4), row.GetDecimal(5), row.GetInt64(6), row.GetInt64(7)),
        cancel, tenant is { } one ? new[] { one } : [], from, to);

    /// <param name="Tenant">Known from the fact itself only where a render begins.</param>
    sealed record Used(Guid Job, DateOnly Day, Guid? Tenant, long Submitted = 0, long Films = 0, long Frames = 0, decimal ComputeSeconds = 0, long Failures = 0, long Cancelled = 0)
    {
        public static Func<RecordedEvent, Used?> Of(Vocabulary vocabulary) => e =>
        {
            var type = vocabulary.TypeOf(e.Type);
            if (type != typeof(JobQueued) && type != typeof(JobDone) && type != typeof(JobFailed) && type != typeof(JobCancelled)) return null;
            var none = new Used(e.StreamId, DateOnly.FromDateTime(e.Timestamp.UtcDateTime), null);
            return e.Fact(vocabulary) switch
            {
                JobQueued fact => none with { Tenant = fact.TenantId.Value, Submitted = 1 },
                JobDone fact => none with { Films = 1, Frames = fact.Film.Frames, ComputeSeconds = (decimal)fact.Film.ComputeSeconds },
                JobFailed => none with { Failures = 1 },
                _ => none with { Cancelled = 1 },
            };
        };
    }
}
