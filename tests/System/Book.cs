using System.Text.Json;
using FlatRender.Contracts;
using FlatRender.Sagas;
using Npgsql;

namespace FlatRender.SystemTests;

/// <summary>A fact as it stands in mt_events.</summary>
public sealed record Stored(Guid Stream, long Version, string Type, object Fact);

/// <summary>A piece of work as it stands in the farm's book.</summary>
public sealed record Piece(string Kind, int Chunk, string State, int Epoch, Guid? Node, string? Result, int Failures);

/// <summary>What the tables themselves say of a render.</summary>
public sealed class Book(NpgsqlDataSource database)
{
    public Task<List<Stored>> FactsAsync(JobId? job = null) => QueryAsync(
        "SELECT stream_id, version, type, data::text FROM eventstore.mt_events WHERE $1::uuid IS NULL OR stream_id = $1 ORDER BY stream_id, version",
        row => new Stored(row.GetGuid(0), row.GetInt64(1), row.GetString(2), JsonSerializer.Deserialize(row.GetString(3), Vocabulary.All.TypeOf(row.GetString(2)), Wire.Json)!), job?.Value);

    /// <summary>The memory document, as stored.</summary>
    public async Task<RenderJob> MemoryAsync(Guid job) => (await QueryAsync(
        "SELECT data::text FROM eventstore.mt_doc_renderjob WHERE id = $1", row => JsonSerializer.Deserialize<RenderJob>(row.GetString(0), Wire.Json)!, job)).Single();

    public Task<List<Piece>> WorkAsync(JobId job) => QueryAsync(
        "SELECT kind, chunk, state, epoch, node_id, result::text, failures FROM render.tasks WHERE job_id = $1 ORDER BY kind, chunk",
        row => new Piece(row.GetString(0), row.GetInt32(1), row.GetString(2), row.GetInt32(3), row.IsDBNull(4) ? null : row.GetGuid(4), row.IsDBNull(5) ? null : row.GetString(5), row.GetInt32(6)), job.Value);

    public Task<List<(LeaseId Lease, int Epoch)>> LeasesAsync(NodeId node) => QueryAsync(
        "SELECT lease_id, epoch FROM render.tasks WHERE node_id = $1 AND state = 'leased'", row => (new LeaseId(row.GetGuid(0)), row.GetInt32(1)), node.Value);

    /// <summary>Pieces of one render that were given out after another was in the farm's book and before its first was.</summary>
    public async Task<int> LeasedBeforeAsync(JobId render, JobId other) => (await QueryAsync(
        "SELECT count(*)::int FROM render.tasks t WHERE t.job_id = $1 AND t.leased_at > (SELECT min(not_before) FROM render.tasks WHERE job_id = $2) AND t.leased_at < (SELECT min(leased_at) FROM render.tasks WHERE job_id = $2)",
        row => row.GetInt32(0), render.Value, other.Value)).Single();

    /// <summary>How many pieces of these renders were held at once, at most. Leases are decided one at a time, so the order of the facts tells it of every moment.</summary>
    public async Task<int> MostAtOnceAsync(JobId render, JobId? other = null) => (await QueryAsync("""
        SELECT coalesce(max(held), 0)::int
        FROM (
            SELECT sum(CASE WHEN type = 'render.chunk.leased.v1' THEN 1 ELSE -1 END) OVER (ORDER BY seq_id) AS held
            FROM eventstore.mt_events
            WHERE type IN ('render.chunk.leased.v1', 'render.chunk.completed.v1', 'render.chunk.expired.v1', 'render.chunk.rejected.v1')
              AND coalesce(data->>'code', '') <> 'FRAMES_BAD' AND (data->>'job_id')::uuid IN ($1, $2)
        ) counted
        """, row => row.GetInt32(0), render.Value, other?.Value)).Single();

    /// <summary>What was asked of the renderer: the prepared template and the film's plan.</summary>
    public async Task<JobQueued> OrderedAsync(JobId job) => (JobQueued)(await FactsAsync(job))[0].Fact;

    public async Task<string> StepAsync(JobId job) => (await FactsAsync(job))[^1].Type;

    async Task<List<T>> QueryAsync<T>(string sql, Func<NpgsqlDataReader, T> row, params object?[] values)
    {
        await using var command = database.CreateCommand(sql);
        foreach (var value in values)
            command.Parameters.Add(new NpgsqlParameter { Value = value ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Uuid });
        var found = new List<T>();
        await using var rows = await command.ExecuteReaderAsync();
        while (await rows.ReadAsync())
            found.Add(row(rows));
        return found;
    }
}
