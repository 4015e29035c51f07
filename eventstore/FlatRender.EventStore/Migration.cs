using System.Reflection;
using System.Text.RegularExpressions;
using Npgsql;

namespace FlatRender.EventStore;

/// <summary>Brings a schema to this build's shape: a new one from <c>sql/tables</c>, an older one by the numbered files of <c>sql/updates</c>.</summary>
public static partial class Migration
{
    // Order matters: a table after those it refers to.
    static readonly string[] Tables = ["schema_updates", "mt_streams", "mt_events_sequence", "mt_events", "mt_event_progression", "mt_doc_renderjob", "agenda", "projections"];

    // Replaced each time: views and functions have no data of their own. Grants last: they name everything.
    static readonly string[] Replaced = ["views/overdue", "functions/append", "functions/grants"];

    /// <summary>One transaction, under an advisory lock: processes that start together migrate once.</summary>
    public static async Task ApplyAsync(NpgsqlDataSource source, string schema, CancellationToken cancel = default)
    {
        CheckName(schema);
        await using var db = await source.OpenConnectionAsync(cancel);
        await using var tx = await db.BeginTransactionAsync(cancel);
        await RunAsync(db, $"SELECT pg_advisory_xact_lock(hashtextextended('flatrender migration of {schema}', 0))", cancel);

        if (!await IsThereAsync(db, schema, cancel))
        {
            await RunAsync(db, $"CREATE SCHEMA IF NOT EXISTS {schema}", cancel);
            foreach (var table in Tables) await RunAsync(db, Text($"tables/{table}", schema), cancel);
            foreach (var (number, name) in Updates) await SeenAsync(db, schema, number, name, cancel);
        }

        var seen = await SeenAsync(db, schema, cancel);
        foreach (var (number, name) in Updates.Where(u => !seen.Contains(u.Number)))
        {
            await RunAsync(db, Text($"updates/{name}", schema), cancel);
            await SeenAsync(db, schema, number, name, cancel);
        }

        foreach (var file in Replaced) await RunAsync(db, Text(file, schema), cancel);
        await tx.CommitAsync(cancel);
    }

    internal static void CheckName(string schema)
    {
        if (!SchemaName().IsMatch(schema)) throw new ArgumentException($"'{schema}' is not a schema name: lower-case letters, digits and underscores, at most 48.", nameof(schema));
    }

    /// <summary>The files of <c>sql/updates</c>, in order: <c>0001_what_it_does</c>.</summary>
    static IReadOnlyList<(int Number, string Name)> Updates { get; } =
        [.. Assembly.GetExecutingAssembly().GetManifestResourceNames()
            .Where(n => n.StartsWith("sql/updates/", StringComparison.Ordinal))
            .Select(n => n["sql/updates/".Length..^".sql".Length])
            .Select(n => (int.Parse(n[..4]), n))
            .OrderBy(u => u.Item1)];

    static string Text(string file, string schema)
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream($"sql/{file}.sql") ?? throw new InvalidOperationException($"sql/{file}.sql is not in the assembly.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd().Replace("{schema}", schema, StringComparison.Ordinal);
    }

    static async Task<bool> IsThereAsync(NpgsqlConnection db, string schema, CancellationToken cancel)
    {
        await using var command = new NpgsqlCommand("SELECT to_regclass($1) IS NOT NULL", db) { Parameters = { new() { Value = $"{schema}.schema_updates" } } };
        return (bool)(await command.ExecuteScalarAsync(cancel))!;
    }

    static async Task<HashSet<int>> SeenAsync(NpgsqlConnection db, string schema, CancellationToken cancel)
    {
        await using var command = new NpgsqlCommand($"SELECT number FROM {schema}.schema_updates", db);
        await using var rows = await command.ExecuteReaderAsync(cancel);
        var seen = new HashSet<int>();
        while (await rows.ReadAsync(cancel)) seen.Add(rows.GetInt32(0));
        return seen;
    }

    static async Task SeenAsync(NpgsqlConnection db, string schema, int number, string name, CancellationToken cancel)
    {
        await using var command = new NpgsqlCommand($"INSERT INTO {schema}.schema_updates (number, name) VALUES ($1, $2)", db) { Parameters = { new() { Value = number }, new() { Value = name } } };
        await command.ExecuteNonQueryAsync(cancel);
    }

    static async Task RunAsync(NpgsqlConnection db, string sql, CancellationToken cancel)
    {
        await using var command = new NpgsqlCommand(sql, db);
        await command.ExecuteNonQueryAsync(cancel);
    }

    [GeneratedRegex("^[a-z_][a-z0-9_]{0,47}$")]
    private static partial Regex SchemaName();
}
