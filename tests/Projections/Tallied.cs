using System.Text.Json;
using FlatRender.Contracts;
using FlatRender.EventStore;
using Npgsql;

namespace FlatRender.Projections.Tests;

/// <summary>Counts facts by stream in one table and all of them in another: the two always agree.</summary>
sealed class Tallied(string schema, string name = "tallied", bool skipsUnknown = true, int revision = 1) : IProjection
{
    public string Name => name;
    public string Schema => schema;
    public bool SkipsUnknown => skipsUnknown;
    public int Revision => revision;

    /// <summary>A fact with this reason cannot be taken in.</summary>
    public volatile string? Poison;

    public async Task CreateAsync(NpgsqlConnection db, string schema, CancellationToken cancel) => await RunAsync(db, $"""
        CREATE TABLE {schema}.{name}_by_stream (stream_id uuid PRIMARY KEY, version bigint NOT NULL, facts int NOT NULL);
        CREATE TABLE {schema}.{name}_in_all (facts int NOT NULL, revision int NOT NULL);
        INSERT INTO {schema}.{name}_in_all VALUES (0, {revision});
        """, cancel);

    public async Task ApplyAsync(NpgsqlConnection db, string schema, IReadOnlyList<RecordedEvent> batch, CancellationToken cancel)
    {
        foreach (var e in batch)
        {
            if (Poison is { } poison && JsonDocument.Parse(e.Data).RootElement.GetProperty("reason").GetString() == poison) throw new InvalidOperationException($"'{poison}' is more than I can take.");
            await RunAsync(db, $"""
                INSERT INTO {schema}.{name}_by_stream VALUES ('{e.StreamId}', {e.Version}, 1)
                ON CONFLICT (stream_id) DO UPDATE SET version = excluded.version, facts = {name}_by_stream.facts + 1;
                UPDATE {schema}.{name}_in_all SET facts = facts + 1;
                """, cancel);
        }
    }

    static async Task RunAsync(NpgsqlConnection db, string sql, CancellationToken cancel)
    {
        await using var command = new NpgsqlCommand(sql, db);
        await command.ExecuteNonQueryAsync(cancel);
    }
}
