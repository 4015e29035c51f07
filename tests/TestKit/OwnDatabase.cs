using Npgsql;

namespace FlatRender.TestKit;

/// <summary>A whole database of one's own, for services whose schemas have fixed names. Gone when disposed.</summary>
public sealed class OwnDatabase : IAsyncDisposable
{
    readonly string _name = "t_" + Contracts.Ids.New().ToString("N")[..12];

    public NpgsqlDataSource Source { get; private set; } = null!;

    /// <summary>With the password, for another process.</summary>
    public string ConnectionString => new NpgsqlConnectionStringBuilder(TestDatabase.ConnectionString) { Database = _name, MaxPoolSize = 20 }.ConnectionString;

    public static async Task<OwnDatabase> CreateAsync()
    {
        var own = new OwnDatabase();
        await AdministerAsync($"CREATE DATABASE {own._name}");
        own.Source = NpgsqlDataSource.Create(own.ConnectionString);
        return own;
    }

    public async ValueTask DisposeAsync()
    {
        await Source.DisposeAsync();
        await AdministerAsync($"DROP DATABASE {_name} WITH (FORCE)");
    }

    static async Task AdministerAsync(string sql)
    {
        await using var source = NpgsqlDataSource.Create(TestDatabase.ConnectionString);
        await using var command = source.CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }
}
