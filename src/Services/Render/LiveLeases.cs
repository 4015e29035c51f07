using FlatRender.Contracts;
using FlatRender.EventStore;

namespace FlatRender.Render;

/// <summary>A node may call another process than the one that gave it its lease.</summary>
sealed partial class WorkBook
{
    /// <summary>Sees that the live board knows whose lease this is and how far its render is.</summary>
    public async Task ShowAsync(LeaseId lease, CancellationToken cancel)
    {
        if (live.JobOf(lease) is not null) return;
        var found = await database.QueryAsync("""
            SELECT t.job_id, (j.film->>'frames')::int,
                   (SELECT coalesce(sum(d.count), 0)::int FROM render.tasks d WHERE d.job_id = t.job_id AND d.kind = 'render' AND d.state = 'done')
            FROM render.tasks t JOIN render.jobs j ON j.job_id = t.job_id
            WHERE t.lease_id = $1 AND t.state = 'leased'
            """, row => (Job: new JobId(row.GetGuid(0)), Total: row.GetInt32(1), Settled: row.GetInt32(2)), cancel, lease.Value);
        foreach (var (job, total, settled) in found)
        {
            live.Leased(lease, job);
            live.Settle(job, total, settled);
        }
    }
}
