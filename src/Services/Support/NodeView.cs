using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.Foundation;
using Npgsql;

namespace FlatRender.Support;

/// <summary>What became of the renders that a node was the first to take, and of the node.</summary>
/// <param name="LastJobId">The last one it began; null: none.</param>
/// <param name="Life">Null: it has told nothing of itself yet.</param>
public sealed record NodeRecord(NodeId NodeId, long Began, long Done, long Failed, long Cancelled, DateTimeOffset FirstAt, DateTimeOffset? LastAt, JobId? LastJobId, NodeLife? Life = null);

/// <summary>Nodes as the facts tell of them: the renders each began and how those ended, and the life of each. (What each works on right now is the render service's to say.)</summary>
public sealed partial class NodeView(NpgsqlDataSource database, Vocabulary vocabulary) : IProjection
{
    public string Name => "node_view";
    public string Schema => "support";
    public bool SkipsUnknown => true;
    public int Revision => 2;

    public Task CreateAsync(NpgsqlConnection db, string schema, CancellationToken cancel) => db.RunAsync($"""
        CREATE TABLE {schema}.node_view_jobs (
            job_id uuid PRIMARY KEY,
            node_id uuid NOT NULL
        );
        CREATE TABLE {schema}.node_view (
            node_id uuid PRIMARY KEY,
            began bigint NOT NULL,
            done bigint NOT NULL,
            failed bigint NOT NULL,
            cancelled bigint NOT NULL,
            first_at timestamptz NOT NULL,
            last_at timestamptz NOT NULL,
            last_job_id uuid NOT NULL
        );
        {Lives(schema)}
        """, cancel);

    public async Task ApplyAsync(NpgsqlConnection db, string schema, IReadOnlyList<RecordedEvent> batch, CancellationToken cancel)
    {
        await LiveAsync(db, schema, batch, cancel);
        var told = batch.Where(e => Tells(vocabulary.TypeOf(e.Type))).ToArray();
        if (told.Length == 0) return;
        var jobs = (await db.QueryAsync($"SELECT job_id, node_id FROM {schema}.node_view_jobs WHERE job_id = ANY ($1)", row => (Job: row.GetGuid(0), Node: row.GetGuid(1)), cancel, told.Select(e => e.StreamId).Distinct().ToArray()))
            .ToDictionary(j => j.Job, j => j.Node);
        var began = new Dictionary<Guid, Guid>();
        var nodes = new Dictionary<Guid, NodeRecord>();
        foreach (var e in told)
        {
            if (e.Fact(vocabulary) is JobRendering rendering)
            {
                // Rendering that was only asked for again names no node.
                if (rendering.NodeId is not { } node) continue;
                jobs[e.StreamId] = began[e.StreamId] = node.Value;
                Add(node.Value, e, n => n with { Began = n.Began + 1, LastAt = e.Timestamp, LastJobId = new JobId(e.StreamId) });
            }
            else if (jobs.TryGetValue(e.StreamId, out var node)) Add(node, e, n => e.Fact(vocabulary) switch
            {
                JobDone => n with { Done = n.Done + 1 },
                JobFailed => n with { Failed = n.Failed + 1 },
                _ => n with { Cancelled = n.Cancelled + 1 },
            });
        }
        await StoreAsync(db, schema, began, [.. nodes.Values.OrderBy(n => n.NodeId.Value)], cancel);

        void Add(Guid id, RecordedEvent e, Func<NodeRecord, NodeRecord> change) =>
            nodes[id] = change(nodes.GetValueOrDefault(id) ?? new NodeRecord(new NodeId(id), 0, 0, 0, 0, e.Timestamp, DateTimeOffset.MinValue, default));
    }

    public Task<List<NodeRecord>> ListAsync(CancellationToken cancel) => database.QueryAsync("""
        SELECT coalesce(n.node_id, l.node_id), coalesce(n.began, 0), coalesce(n.done, 0), coalesce(n.failed, 0), coalesce(n.cancelled, 0), least(n.first_at, l.first_at), n.last_at, n.last_job_id,
               l.name, l.state, l.reason, l.slots, l.tags, l.crashes, l.losses, l.changed_at
        FROM support.node_view n FULL JOIN support.node_view_lives l ON l.node_id = n.node_id
        ORDER BY greatest(n.last_at, l.changed_at) DESC, 1
        """, row => new NodeRecord(new NodeId(row.GetGuid(0)), row.GetInt64(1), row.GetInt64(2), row.GetInt64(3), row.GetInt64(4), row.GetFieldValue<DateTimeOffset>(5),
            row.Moment(6), row.IsDBNull(7) ? null : new JobId(row.GetGuid(7)), row.IsDBNull(8) ? null : LifeOf(row, 8)), cancel);

    static bool Tells(Type type) => type == typeof(JobRendering) || type == typeof(JobDone) || type == typeof(JobFailed) || type == typeof(JobCancelled);

    static async Task StoreAsync(NpgsqlConnection db, string schema, Dictionary<Guid, Guid> began, NodeRecord[] nodes, CancellationToken cancel)
    {
        await db.RunAsync($"INSERT INTO {schema}.node_view_jobs (job_id, node_id) SELECT * FROM unnest($1, $2) ON CONFLICT (job_id) DO UPDATE SET node_id = excluded.node_id", cancel, began.Keys.ToArray(), began.Values.ToArray());
        // A node that began nothing in this batch keeps its last beginning.
        await db.RunAsync($"""
            INSERT INTO {schema}.node_view AS n (node_id, began, done, failed, cancelled, first_at, last_at, last_job_id)
            SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8)
            ON CONFLICT (node_id) DO UPDATE
            SET began = n.began + excluded.began, done = n.done + excluded.done, failed = n.failed + excluded.failed, cancelled = n.cancelled + excluded.cancelled,
                last_at = CASE WHEN excluded.began > 0 THEN excluded.last_at ELSE n.last_at END,
                last_job_id = CASE WHEN excluded.began > 0 THEN excluded.last_job_id ELSE n.last_job_id END
            """, cancel,
            Each(n => n.NodeId.Value), Each(n => n.Began), Each(n => n.Done), Each(n => n.Failed), Each(n => n.Cancelled), Each(n => n.FirstAt), Each(n => n.LastAt ?? n.FirstAt), Each(n => n.LastJobId?.Value ?? default));

        T[] Each<T>(Converter<NodeRecord, T> of) => Array.ConvertAll(nodes, of);
    }
}
