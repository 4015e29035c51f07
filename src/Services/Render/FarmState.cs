using FlatRender.Contracts;
using Npgsql;

namespace FlatRender.Render;

/// <summary>How the farm stands: what the dispatcher sees, for people.</summary>
sealed partial class FarmState(NpgsqlDataSource database, DoorTally tally, TimeProvider clock)
{
    public async Task<FarmView> ShowAsync(CancellationToken cancel)
    {
        var leases = (await database.QueryAsync("SELECT node_id, job_id, kind, chunk, first, count, epoch, lease_id, leased_at, lease_until FROM render.tasks WHERE state = 'leased' ORDER BY leased_at",
            row => (Node: row.GetGuid(0), Lease: new LeaseView(new JobId(row.GetGuid(1)), row.GetString(2), row.GetInt32(3), row.GetInt32(4), row.GetInt32(5), row.GetInt32(6), new LeaseId(row.GetGuid(7)), At(row, 8), At(row, 9))), cancel)).ToLookup(l => l.Node, l => l.Lease);
        var nodes = await database.QueryAsync("SELECT node_id, name, url, state, reason, slots, tags, ARRAY(SELECT jsonb_object_keys(engines)), version, last_seen, crashes, unfit FROM render.nodes ORDER BY name, node_id",
            row =>
            {
                var its = leases[row.GetGuid(0)].ToArray();
                return new FarmNodeView(new NodeId(row.GetGuid(0)), row.GetString(1), row.GetString(2), row.GetString(3), row.GetString(4), row.GetInt32(5), its.Length,
                    row.GetFieldValue<string[]>(6), row.GetFieldValue<string[]>(7), row.GetString(8), At(row, 9), row.GetInt64(10), its, row.Text(11));
            }, cancel);
        var (renders, pieces, under) = (await database.QueryAsync("SELECT count(*) FILTER (WHERE waiting > 0), coalesce(sum(waiting), 0), coalesce(sum(leased), 0) FROM render.jobs WHERE stage <> 'stopped' AND (waiting > 0 OR leased > 0)",
            row => ((int)row.GetInt64(0), (int)row.GetInt64(1), (int)row.GetInt64(2)), cancel)).Single();
        var limits = await database.QueryAsync("SELECT scope, key, slots FROM render.limits ORDER BY scope, key", row => new SlotLimit(row.GetString(0), row.GetString(1), row.GetInt32(2)), cancel);
        return new FarmView(nodes, limits, renders, pieces, under, tally.Refused);
    }

    /// <summary>Sets or lifts a limit; what is under way goes on.</summary>
    public Task LimitAsync(SetLimit ask, CancellationToken cancel) => ask.Limit.Slots is { } slots
        ? database.RunAsync("INSERT INTO render.limits (scope, key, slots, set_by, reason) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (scope, key) DO UPDATE SET slots = excluded.slots, set_by = excluded.set_by, reason = excluded.reason",
            cancel, ask.Limit.Scope, ask.Limit.Key, slots, ask.By, ask.Reason)
        : database.RunAsync("DELETE FROM render.limits WHERE scope = $1 AND key = $2", cancel, ask.Limit.Scope, ask.Limit.Key);

    static DateTimeOffset At(NpgsqlDataReader row, int column) => row.IsDBNull(column) ? default : row.GetFieldValue<DateTimeOffset>(column);
}
