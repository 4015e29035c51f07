using System.Text.Json;
using FlatRender.Contracts;
using FlatRender.Foundation;
using Npgsql;

namespace FlatRender.Render;

/// <summary>A node that may be given work.</summary>
sealed record FarmNode(NodeId Id, string Name, string Url, int Slots);

/// <summary>The nodes as they were last heard of.</summary>
sealed class NodeBook(NpgsqlDataSource database, TimeProvider clock)
{
    public static readonly TimeSpan Heartbeat = TimeSpan.FromSeconds(1), LostAfter = TimeSpan.FromSeconds(5);

    public Task JoinAsync(NodeRegistration node, CancellationToken cancel) => database.RunAsync("""
        INSERT INTO render.nodes (node_id, name, url, slots, tags, engines, version, state, last_seen) VALUES ($1, $2, $3, $4, $5, $6::text::jsonb, $7, 'ready', $8)
        ON CONFLICT (node_id) DO UPDATE SET name = excluded.name, url = excluded.url, slots = excluded.slots, tags = excluded.tags,
            engines = excluded.engines, version = excluded.version, state = 'ready', last_seen = excluded.last_seen
        """, cancel, node.NodeId.Value, node.Name, node.Url, node.Slots, node.Tags.ToArray(), JsonSerializer.Serialize(node.Engines, Wire.Json), node.Version, clock.GetUtcNow());

    /// <returns>False: the node is not known, or was given up for lost: it must register again.</returns>
    public async Task<bool> SeenAsync(NodeId id, CancellationToken cancel) =>
        await database.RunAsync("UPDATE render.nodes SET last_seen = $2 WHERE node_id = $1 AND state IN ('ready', 'draining')", cancel, id.Value, clock.GetUtcNow()) == 1;

    public Task LeaveAsync(NodeId id, CancellationToken cancel) => database.RunAsync("UPDATE render.nodes SET state = 'left' WHERE node_id = $1", cancel, id.Value);

    /// <summary>Nodes that answered lately and have a slot free, the least busy first.</summary>
    public Task<List<FarmNode>> FreeAsync(CancellationToken cancel) => database.QueryAsync("""
        SELECT n.node_id, n.name, n.url, n.slots FROM render.nodes n
        LEFT JOIN LATERAL (SELECT count(*) AS busy FROM render.tasks t WHERE t.state = 'leased' AND t.node_id = n.node_id) b ON true
        WHERE n.state = 'ready' AND n.last_seen > $1 AND b.busy < n.slots ORDER BY b.busy::float / n.slots, n.node_id
        """, row => new FarmNode(new NodeId(row.GetGuid(0)), row.GetString(1), row.GetString(2), row.GetInt32(3)), cancel, clock.GetUtcNow() - LostAfter);

    /// <summary>Gives up nodes that have been silent too long.</summary>
    public Task<List<FarmNode>> LoseSilentAsync(CancellationToken cancel) => database.QueryAsync(
        "UPDATE render.nodes SET state = 'lost' WHERE state IN ('ready', 'draining') AND last_seen < $1 RETURNING node_id, name, url, slots",
        row => new FarmNode(new NodeId(row.GetGuid(0)), row.GetString(1), row.GetString(2), row.GetInt32(3)), cancel, clock.GetUtcNow() - LostAfter);

    public async Task<string?> UrlAsync(NodeId id, CancellationToken cancel) =>
        (await database.QueryAsync("SELECT url FROM render.nodes WHERE node_id = $1", row => row.GetString(0), cancel, id.Value)).SingleOrDefault();
}
