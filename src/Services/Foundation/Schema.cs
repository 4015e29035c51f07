using System.Reflection;
using Npgsql;

namespace FlatRender.Foundation;

/// <summary>A service's own schema, kept up to date by numbered SQL files (<c>sql/001_what.sql</c>, embedded). A file is never edited once released.</summary>
public static class Schema
{
    /// <summary>Applies what is not applied yet, in order, each file in a transaction of its own; two processes that start at once wait for each other.</summary>
    public static async Task UpdateAsync(NpgsqlDataSource database, string schema, Assembly assembly, CancellationToken cancel)
    {
        await using var connection = await database.OpenConnectionAsync(cancel);
        await connection.RunAsync("SELECT pg_advisory_lock(hashtext($1))", cancel, "schema " + schema);
        try
        {
            await connection.RunAsync($"CREATE SCHEMA IF NOT EXISTS {schema}", cancel);
            await connection.RunAsync($"CREATE TABLE IF NOT EXISTS {schema}.schema_updates (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())", cancel);
            foreach (var resource in assembly.GetManifestResourceNames().Where(n => n.EndsWith(".sql", StringComparison.Ordinal)).Order(StringComparer.Ordinal))
            {
                await using var transaction = await connection.BeginTransactionAsync(cancel);
                await using var noted = new NpgsqlCommand($"INSERT INTO {schema}.schema_updates (name) VALUES ($1) ON CONFLICT DO NOTHING", connection, transaction) { Parameters = { new() { Value = resource } } };
                if (await noted.ExecuteNonQueryAsync(cancel) == 0) continue;
                using var text = new StreamReader(assembly.GetManifestResourceStream(resource)!);
                await connection.RunAsync(await text.ReadToEndAsync(cancel), cancel);
                await transaction.CommitAsync(cancel);
            }
        }
        finally
        {
            await connection.RunAsync("SELECT pg_advisory_unlock(hashtext($1))", CancellationToken.None, "schema " + schema);
        }
    }
}
