using FlatRender.Contracts;
using FlatRender.EventStore;
using Npgsql;

namespace FlatRender.Support;

/// <param name="State">registered, draining, left, lost or quarantined: as its last fact says.</param>
/// <param name="Crashes">Of engines.</param>
/// <param name="Losses">How often it fell silent.</param>
public sealed record NodeLife(string Name, string State, string Reason, int Slots, IReadOnlyList<string> Tags, long Crashes, long Losses, DateTimeOffset ChangedAt);

/// <summary>The lives of nodes: one row each, from the facts on their streams.</summary>
public sealed partial class NodeView
{
    static string Lives(string schema) => $"""
        CREATE TABLE {schema}.node_view_lives (
            node_id uuid PRIMARY KEY,
            version bigint NOT NULL,
            name text NOT NULL,
            state text NOT NULL,
            reason text NOT NULL,
            slots int NOT NULL,
            tags text[] NOT NULL,
            crashes bigint NOT NULL,
            losses bigint NOT NULL,
            first_at timestamptz NOT NULL,
            changed_at timestamptz NOT NULL
        );
        """;

    async Task LiveAsync(NpgsqlConnection db, string schema, IReadOnlyList<RecordedEvent> batch, CancellationToken cancel)
    {
        foreach (var stream in batch.Where(e => typeof(IAboutNode).IsAssignableFrom(vocabulary.TypeOf(e.Type))).GroupBy(e => e.StreamId).OrderBy(s => s.Key))
        {
            var known = await db.QueryAsync($"SELECT name, state, reason, slots, tags, crashes, losses, changed_at, version, first_at FROM {schema}.node_view_lives WHERE node_id = $1",
                row => (Life: LifeOf(row, 0), Version: row.GetInt64(8), First: row.GetFieldValue<DateTimeOffset>(9)), cancel, stream.Key);
            var (life, version, first) = known.Count > 0 ? known[0] : (new NodeLife("", "", "", 0, [], 0, 0, stream.First().Timestamp), 0, stream.First().Timestamp);
            foreach (var e in stream.Where(e => e.Version > version)) (life, version) = (Apply(life, (IAboutNode)e.Fact(vocabulary)) with { ChangedAt = e.Timestamp }, e.Version);
            await db.RunAsync($"""
                INSERT INTO {schema}.node_view_lives (node_id, version, name, state, reason, slots, tags, crashes, losses, first_at, changed_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
                ON CONFLICT (node_id) DO UPDATE SET version = excluded.version, name = excluded.name, state = excluded.state, reason = excluded.reason, slots = excluded.slots, tags = excluded.tags,
                    crashes = excluded.crashes, losses = excluded.losses, changed_at = excluded.changed_at
                """, cancel, stream.Key, version, life.Name, life.State, life.Reason, life.Slots, life.Tags.ToArray(), life.Crashes, life.Losses, first, life.ChangedAt);
        }
    }

    static NodeLife Apply(NodeLife life, IAboutNode fact) => fact switch
    {
        // A restart ends neither quarantine nor a drain.
        NodeRegistered e => life with { Name = e.Name, Slots = e.Slots, Tags = e.Tags, State = life.State is "quarantined" or "draining" ? life.State : "registered", Reason = life.State is "quarantined" or "draining" ? life.Reason : e.Reason },
        NodeDraining e => life with { State = "draining", Reason = e.Reason },
        NodeDrained e => life with { State = life.State == "quarantined" ? life.State : "left", Reason = life.State == "quarantined" ? life.Reason : e.Reason },
        NodeLost e => life with { State = "lost", Reason = e.Reason, Losses = life.Losses + 1 },
        NodeCrashed => life with { Crashes = life.Crashes + 1 },
        NodeRecovered e => life with { State = "registered", Reason = e.Reason },
        NodeQuarantined e => life with { State = "quarantined", Reason = e.Reason },
        _ => life,
    };

    static NodeLife LifeOf(NpgsqlDataReader row, int at) => new(row.GetString(at), row.GetString(at + 1), row.GetString(at + 2), row.GetInt32(at + 3), row.GetFieldValue<string[]>(at + 4), row.GetInt64(at + 5), row.GetInt64(at + 6), row.GetFieldValue<DateTimeOffset>(at + 7));
}
