using FlatRender.Contracts;
using Npgsql;

namespace FlatRender.EventStore;

/// <summary>SQL as it is written, with positional parameters ($1 ...): no mapper between a query and its rows.</summary>
public static class Sql
{
    /// <summary>A command on this connection, for rows that are read one by one.</summary>
    public static NpgsqlCommand Command(this NpgsqlConnection connection, string sql, params ReadOnlySpan<object?> values)
    {
        var command = new NpgsqlCommand(sql, connection);
        foreach (var value in values) command.Parameters.Add(new NpgsqlParameter { Value = value ?? DBNull.Value });
        return command;
    }

    /// <returns>Rows affected.</returns>
    public static async Task<int> RunAsync(this NpgsqlConnection connection, string sql, CancellationToken cancel, params object?[] values)
    {
        await using var command = connection.Command(sql, values);
        return await command.ExecuteNonQueryAsync(cancel);
    }

    public static async Task<List<T>> QueryAsync<T>(this NpgsqlConnection connection, string sql, Func<NpgsqlDataReader, T> row, CancellationToken cancel, params object?[] values)
    {
        await using var command = connection.Command(sql, values);
        var found = new List<T>();
        await using var rows = await command.ExecuteReaderAsync(cancel);
        while (await rows.ReadAsync(cancel)) found.Add(row(rows));
        return found;
    }

    /// <returns>The first value of the first row; null where there is none, or where it is NULL.</returns>
    public static async Task<object?> ScalarAsync(this NpgsqlConnection connection, string sql, CancellationToken cancel, params object?[] values)
    {
        await using var command = connection.Command(sql, values);
        return await command.ExecuteScalarAsync(cancel) is var value and not DBNull ? value : null;
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

    public static async Task<object?> ScalarAsync(this NpgsqlDataSource database, string sql, CancellationToken cancel, params object?[] values)
    {
        await using var connection = await database.OpenConnectionAsync(cancel);
        return await connection.ScalarAsync(sql, cancel, values);
    }

    /// <summary>One page of what matches, and how many match in all.</summary>
    /// <param name="matching">From FROM to the end of WHERE; the values are its own.</param>
    /// <param name="page">1 is the first.</param>
    public static async Task<Page<T>> PageAsync<T>(
        this NpgsqlDataSource database, string columns, string matching, string order, Func<NpgsqlDataReader, T> row, int page, int size, CancellationToken cancel, params object?[] values)
    {
        await using var connection = await database.OpenConnectionAsync(cancel);
        var total = await connection.QueryAsync($"SELECT count(*) {matching}", r => r.GetInt64(0), cancel, values);
        var items = await connection.QueryAsync($"SELECT {columns} {matching} ORDER BY {order} LIMIT ${values.Length + 1} OFFSET ${values.Length + 2}", row, cancel, [.. values, size, (long)(page - 1) * size]);
        return new(items, page, size, total.Single());
    }

    /// <summary>The column's text, or null.</summary>
    public static string? Text(this NpgsqlDataReader row, int at) => row.IsDBNull(at) ? null : row.GetString(at);

    public static DateTimeOffset? Moment(this NpgsqlDataReader row, int at) => row.IsDBNull(at) ? null : row.GetFieldValue<DateTimeOffset>(at);
}
