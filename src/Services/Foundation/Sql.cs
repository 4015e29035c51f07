using Npgsql;

namespace FlatRender.Foundation;

/// <summary>SQL as it is written, with positional parameters ($1 ...): no mapper between a query and its rows.</summary>
public static class Sql
{
    /// <returns>Rows affected.</returns>
    public static async Task<int> RunAsync(this NpgsqlConnection connection, string sql, CancellationToken cancel, params object?[] values)
    {
        await using var command = Command(new NpgsqlCommand(sql, connection), values);
        return await command.ExecuteNonQueryAsync(cancel);
    }

    public static async Task<List<T>> QueryAsync<T>(this NpgsqlConnection connection, string sql, Func<NpgsqlDataReader, T> row, CancellationToken cancel, params object?[] values)
    {
        await using var command = Command(new NpgsqlCommand(sql, connection), values);
        var found = new List<T>();
        await using var rows = await command.ExecuteReaderAsync(cancel);
        while (await rows.ReadAsync(cancel)) found.Add(row(rows));
        return found;
    }

    public static async Task<int> RunAsync(this NpgsqlDataSource database, string sql, CancellationToken cancel, params object?[] values)
    {
        await using var connection = await database.OpenConnectionAsync(cancel);
        return await connection.RunAsync(sql, cancel, values);
    }

    public static async Task<List<T>> QueryAsync<T>(this NpgsqlDataSource database, string sql, Func<NpgsqlDataReader, T> row, CancellationToken cancel, params object?[] values)
    {
        await using var connection = await database.OpenConnectionAsync(cancel);
        return await connection.QueryAsync(sql, row, cancel, values);
    }

    static NpgsqlCommand Command(NpgsqlCommand command, object?[] values)
    {
        foreach (var value in values) command.Parameters.Add(new NpgsqlParameter { Value = value ?? DBNull.Value });
        return command;
    }
}
