using System.Text.Json;
using FlatRender.Contracts;
using Npgsql;

namespace FlatRender.Render;

/// <summary>A node that may be given work.</summary>
sealed record FarmNode(NodeId Id, string Name, string Url, int Slots);

/// <summary>The nodes as they were last heard of. Registered, ready (it was heard again), draining, quarantined, lost, left: each step is a fact on the node's stream.</summary>
sealed class NodeBook(NpgsqlDataSource database, FarmLog log, TimeProvider clock)
{
    public static readonly TimeSpan Heartbeat = TimeSpan.FromSeconds(1), LostAfter = TimeSpan.FromSeconds(5);

    const string AtWork = "('registered', 'ready')";

    /// <summary>Takes a node in. One in quarantine stays there, one that drains goes on draining: a restart changes neither.</summary>
    public Task JoinAsync(NodeRegistration node, CancellationToken cancel) => log.WriteAsync(async (db, facts) =>
    {
        var was = await LockAsync(db, node.NodeId, cancel);
        var state = was?.State is "quarantined" or "draining" ? was.State : "registered";
        var reason = was?.State switch
        {
            null => "it is new here",
            "lost" => "it was lost and is back",
            "left" => "it is back",
            "quarantined" => $"in quarantine: {was.Reason}",
            "draining" => $"draining: {was.Reason}",
            _ => "it registered again",
        };
        await db.RunAsync("""
            INSERT INTO render.nodes (node_id, name, url, slots, tags, engines, version, state, reason, last_seen) VALUES ($1, $2, $3, $4, $5, $6::text::jsonb, $7, $8, $9, $10)
            ON CONFLICT (node_id) DO UPDATE SET name = excluded.name, url = excluded.url, slots = excluded.slots, tags = excluded.tags, engines = excluded.engines, version = excluded.version,
                state = excluded.state, reason = CASE WHEN excluded.state = 'registered' THEN excluded.reason ELSE render.nodes.reason END, last_seen = excluded.last_seen
            """, cancel, node.NodeId.Value, node.Name, node.Url, node.Slots, node.Tags.ToArray(), JsonSerializer.Serialize(node.Engines, Wire.Json), node.Version, state, reason, clock.GetUtcNow());
        facts.Add(new NodeRegistered(node.NodeId, node.Name, node.Url, node.Slots, node.Tags, node.Engines, node.Version, reason));
        if (was?.State == "lost") facts.Add(new NodeRecovered(node.NodeId, "farm", "it was given up for lost and registered again"));
        return 0;
    }, cancel);

    /// <summary>Notes that a node lives, and whether it can take more.</summary>
    /// <param name="unfit">Why it cannot; null: it can. The scheduler passes it over until it says otherwise: what is wrong with it costs no render a failure.</param>
    /// <returns>Known: false where it is unknown, lost or gone, and must register. Drain: it is to finish and leave.</returns>
    public async Task<(bool Known, bool Drain)> SeenAsync(NodeId id, string? unfit, CancellationToken cancel)
    {
        var states = await database.QueryAsync("""
            UPDATE render.nodes SET last_seen = $2, unfit = $3, state = CASE state WHEN 'registered' THEN 'ready' ELSE state END WHERE node_id = $1 AND state NOT IN ('lost', 'left') RETURNING state
            """, row => row.GetString(0), cancel, id.Value, clock.GetUtcNow(), unfit);
        return (states.Count == 1, states is ["draining"]);
    }

    /// <summary>A node says goodbye. What it still holds is taken back by the caller.</summary>
    public Task LeaveAsync(NodeId id, CancellationToken cancel) => log.WriteAsync(async (db, facts) =>
    {
        if (await LockAsync(db, id, cancel) is not { State: not "left" } was) return 0;
        await db.RunAsync("UPDATE render.nodes SET state = CASE state WHEN 'quarantined' THEN state ELSE 'left' END WHERE node_id = $1", cancel, id.Value);
        facts.Add(new NodeDrained(id, was.Leases, was.Leases == 0 ? "it left with nothing unfinished" : $"it left, and gave back what it had not finished ({was.Leases})"));
        return 0;
    }, cancel);

    /// <summary>Nodes that answered lately and have a slot free, the least busy first.</summary>
    public Task<List<FarmNode>> FreeAsync(CancellationToken cancel) => database.QueryAsync($"""
        SELECT n.node_id, n.name, n.url, n.slots FROM render.nodes n
        CROSS JOIN LATERAL (SELECT count(*) AS busy FROM render.tasks t WHERE t.state = 'leased' AND t.node_id = n.node_id) b
        WHERE n.state IN {AtWork} AND n.unfit IS NULL AND n.last_seen > $1 AND b.busy < n.slots ORDER BY b.busy::float / n.slots, n.node_id
        """, Node, cancel, clock.GetUtcNow() - LostAfter);

    /// <summary>Gives up nodes that have been silent too long.</summary>
    public async Task<List<FarmNode>> LoseSilentAsync(CancellationToken cancel)
    {
        var silent = await database.QueryAsync($"SELECT node_id, name, url, slots FROM render.nodes WHERE state IN ('registered', 'ready', 'draining') AND last_seen < $1", Node, cancel, clock.GetUtcNow() - LostAfter);
        var lost = new List<FarmNode>();
        foreach (var node in silent)
            if (await LoseAsync(node.Id, cancel)) lost.Add(node);
        return lost;
    }

    Task<bool> LoseAsync(NodeId id, CancellationToken cancel) => log.WriteAsync(async (db, facts) =>
    {
        // It may have spoken while its lock was awaited.
        if (await LockAsync(db, id, cancel) is not { State: "registered" or "ready" or "draining" } was || was.LastSeen >= clock.GetUtcNow() - LostAfter) return false;
        var reason = $"silent for over {LostAfter.TotalSeconds} s";
        await db.RunAsync("UPDATE render.nodes SET state = 'lost', reason = $2 WHERE node_id = $1", cancel, id.Value, reason);
        facts.Add(new NodeLost(id, was.LastSeen, was.Leases, reason));
        return true;
    }, cancel);

    /// <returns>Null, or why not.</returns>
    public Task<string?> DrainAsync(DrainNode ask, CancellationToken cancel) => log.WriteAsync<string?>(async (db, facts) =>
    {
        if (await LockAsync(db, ask.NodeId, cancel) is not { } was) return $"There is no node {ask.NodeId}.";
        if (was.State == "draining") return null;
        if (was.State is not ("registered" or "ready")) return $"The node is {was.State}: only one that works can be drained.";
        await db.RunAsync("UPDATE render.nodes SET state = 'draining', reason = $2 WHERE node_id = $1", cancel, ask.NodeId.Value, ask.Reason);
        facts.Add(new NodeDraining(ask.NodeId, ask.By, ask.Reason));
        return null;
    }, cancel);

    /// <returns>Null, or why not.</returns>
    public Task<string?> QuarantineAsync(QuarantineNode ask, CancellationToken cancel) => log.WriteAsync<string?>(async (db, facts) =>
    {
        if (await LockAsync(db, ask.NodeId, cancel) is not { } was) return $"There is no node {ask.NodeId}.";
        if (was.State != "quarantined") await QuarantineAsync(db, facts, ask.NodeId, ask.By, ask.Reason, cancel);
        return null;
    }, cancel);

    /// <summary>Within another's transaction: the verdict of the book of work.</summary>
    public static async Task QuarantineAsync(NpgsqlConnection db, List<object> facts, NodeId id, string by, string reason, CancellationToken cancel)
    {
        var was = await LockAsync(db, id, cancel);
        await db.RunAsync("UPDATE render.nodes SET state = 'quarantined', reason = $2 WHERE node_id = $1", cancel, id.Value, reason);
        facts.Add(new NodeQuarantined(id, by, was!.Leases, reason));
    }

    /// <summary>Lets a node out of quarantine, with a clean record.</summary>
    /// <returns>Null, or why not.</returns>
    public Task<string?> ReleaseAsync(ReleaseNode ask, CancellationToken cancel) => log.WriteAsync<string?>(async (db, facts) =>
    {
        if (await LockAsync(db, ask.NodeId, cancel) is not { } was) return $"There is no node {ask.NodeId}.";
        if (was.State is "registered" or "ready") return null;
        if (was.State != "quarantined") return $"The node is {was.State}: only one in quarantine can be released.";
        var state = was.LastSeen >= clock.GetUtcNow() - LostAfter ? "ready" : "lost";
        await db.RunAsync("UPDATE render.nodes SET state = $2, reason = $3, blamed = 0, ended = 0 WHERE node_id = $1", cancel, ask.NodeId.Value, state, ask.Reason);
        facts.Add(new NodeRecovered(ask.NodeId, ask.By, ask.Reason));
        return null;
    }, cancel);

    public async Task<string?> UrlAsync(NodeId id, CancellationToken cancel) =>
        (await database.QueryAsync("SELECT url FROM render.nodes WHERE node_id = $1", row => row.GetString(0), cancel, id.Value)).SingleOrDefault();

    sealed record Known(string State, string Reason, DateTimeOffset LastSeen, int Leases);

    static async Task<Known?> LockAsync(NpgsqlConnection db, NodeId id, CancellationToken cancel) => (await db.QueryAsync("""
        SELECT n.state, n.reason, n.last_seen, (SELECT count(*)::int FROM render.tasks t WHERE t.node_id = n.node_id AND t.state = 'leased') FROM render.nodes n WHERE n.node_id = $1 FOR UPDATE
        """, row => new Known(row.GetString(0), row.GetString(1), row.GetFieldValue<DateTimeOffset>(2), row.GetInt32(3)), cancel, id.Value)).SingleOrDefault();

    static FarmNode Node(NpgsqlDataReader row) => new(new NodeId(row.GetGuid(0)), row.GetString(1), row.GetString(2), row.GetInt32(3));
}
