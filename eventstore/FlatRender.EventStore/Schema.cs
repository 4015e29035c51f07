using System.Reflection;
using System.Text.RegularExpressions;
using Npgsql;

namespace FlatRender.EventStore;

/// <summary>
/// A PostgreSQL schema that one room owns, kept up to date by numbered SQL files in its assembly (<c>sql/001_what.sql</c> or <c>sql/updates/0001_what.sql</c>,
/// embedded). A file is never edited once released. <c>{schema}</c> in a file stands for the schema's name.
/// </summary>
public static partial class Schema
{
    static readonly Assembly Own = typeof(Schema).Assembly;

    /// <summary>Applies what is not applied yet, in order, in one transaction; processes that start at once wait for each other.</summary>
    public static Task UpdateAsync(NpgsqlDataSource database, string schema, Assembly assembly, CancellationToken cancel) =>
        UpdateAsync(database, schema, assembly, tables: [], replaced: [], cancel);

    /// <param name="tables">Files with the whole shape, for a schema that is new: such a one has seen every update.</param>
    /// <param name="replaced">Files applied each time, after the updates: views and functions, which have no data of their own. One that changes comes with a numbered update, if only an empty one, so that an older version leaves it alone.</param>
    internal static async Task UpdateAsync(NpgsqlDataSource database, string schema, Assembly assembly, IReadOnlyList<string> tables, IReadOnlyList<string> replaced, CancellationToken cancel)
    {
        CheckName(schema);
        var updates = UpdatesOf(assembly);
        await using var db = await database.OpenConnectionAsync(cancel);
        await using var tx = await db.BeginTransactionAsync(cancel);
        await db.RunAsync("SELECT pg_advisory_xact_lock(hashtextextended('flatrender migration of ' || $1, 0))", cancel, schema);
        await OpenBookAsync(db, schema, assembly, tables, updates, cancel);
        var seen = await db.QueryAsync($"SELECT number FROM {schema}.schema_updates", r => r.GetInt32(0), cancel);
        foreach (var update in updates.Where(u => !seen.Contains(u.Number)))
        {
            await db.RunAsync(Text(assembly, update.Resource, schema), cancel);
            await NoteAsync(db, schema, update, cancel);
        }
        // A later version has been here: its functions and views stay, or those of the last to start would be in force.
        if (seen.Count > 0 && updates.Count > 0 && seen.Max() > updates[^1].Number) replaced = [];
        foreach (var file in replaced) await db.RunAsync(Text(assembly, $"sql/{file}.sql", schema), cancel);
        await tx.CommitAsync(cancel);
    }

    internal static void CheckName(string schema)
    {
        if (!SchemaName().IsMatch(schema)) throw new ArgumentException($"'{schema}' is not a schema name: lower-case letters, digits and underscores, at most 48.", nameof(schema));
    }

    static async Task OpenBookAsync(NpgsqlConnection db, string schema, Assembly assembly, IReadOnlyList<string> tables, List<Update> updates, CancellationToken cancel)
    {
        if (await db.ScalarAsync("SELECT to_regclass($1)::text", cancel, $"{schema}.schema_updates") is null)
        {
            await db.RunAsync($"CREATE SCHEMA IF NOT EXISTS {schema}", cancel);
            await db.RunAsync(Text(Own, "sql/tables/schema_updates.sql", schema), cancel);
            if (tables.Count == 0) return;
            foreach (var table in tables) await db.RunAsync(Text(assembly, $"sql/tables/{table}.sql", schema), cancel);
            foreach (var update in updates) await NoteAsync(db, schema, update, cancel);
        }
        else if (await db.ScalarAsync("SELECT 1 FROM information_schema.columns WHERE table_schema = $1 AND table_name = 'schema_updates' AND column_name = 'number'", cancel, schema) is null)
        {
            await db.RunAsync(Text(Own, "sql/rooms/number_updates.sql", schema), cancel);
        }
    }

    static Task NoteAsync(NpgsqlConnection db, string schema, Update update, CancellationToken cancel) =>
        db.RunAsync($"INSERT INTO {schema}.schema_updates (number, name) VALUES ($1, $2)", cancel, update.Number, update.Name);

    static List<Update> UpdatesOf(Assembly assembly)
    {
        var updates = (from resource in assembly.GetManifestResourceNames() let name = UpdateName().Match(resource) where name.Success let update = new Update(int.Parse(name.Groups[2].Value), name.Groups[1].Value, resource) orderby update.Number select update).ToList();
        var twice = updates.GroupBy(u => u.Number).FirstOrDefault(g => g.Count() > 1);
        return twice is null ? updates : throw new InvalidOperationException($"Two updates have one number: {string.Join(" and ", twice.Select(u => u.Name))}.");
    }

    static string Text(Assembly assembly, string resource, string schema)
    {
        using var stream = assembly.GetManifestResourceStream(resource) ?? throw new InvalidOperationException($"{resource} is not in {assembly.GetName().Name}.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd().Replace("{schema}", schema, StringComparison.Ordinal);
    }

    /// <param name="Name">As its file: <c>001_what</c>.</param>
    sealed record Update(int Number, string Name, string Resource);

    [GeneratedRegex("^[a-z_][a-z0-9_]{0,47}$")]
    private static partial Regex SchemaName();

    [GeneratedRegex(@"sql(?:/updates/|\.)((\d+)_\w+)\.sql$")]
    private static partial Regex UpdateName();
}
