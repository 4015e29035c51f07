using FlatRender.EventStore;
using Npgsql;

namespace FlatRender.TestKit;

/// <summary>A schema of one's own in the real PostgreSQL that FLATRENDER_TEST_DATABASE names, with the event store in it. Gone when disposed.</summary>
public sealed class TestDatabase : IAsyncDisposable
{
    TestDatabase(NpgsqlDataSource source, string schema) => (Source, Schema) = (source, schema);

    public NpgsqlDataSource Source { get; }
    public string Schema { get; }

    public static string ConnectionString => Environment.GetEnvironmentVariable("FLATRENDER_TEST_DATABASE")
        ?? throw new InvalidOperationException("FLATRENDER_TEST_DATABASE is not set. Run ./flatrender test: it starts a private PostgreSQL and sets it.");

    public static async Task<TestDatabase> CreateAsync()
    {
        var database = new TestDatabase(NpgsqlDataSource.Create(ConnectionString + ";Maximum Pool Size=20"), "t_" + Contracts.Ids.New().ToString("N")[..12]);
        await Migration.ApplyAsync(database.Source, database.Schema, CancellationToken.None);
        return database;
    }

    /// <summary>Runs SQL in which {s} stands for the schema; $1 ... are the values.</summary>
    public async Task<List<T>> QueryAsync<T>(string sql, Func<NpgsqlDataReader, T> row, params object[] values)
    {
        await using var command = Source.CreateCommand(sql.Replace("{s}", Schema));
        foreach (var value in values) command.Parameters.Add(new NpgsqlParameter { Value = value });
        var found = new List<T>();
        await using var rows = await command.ExecuteReaderAsync();
        while (await rows.ReadAsync()) found.Add(row(rows));
        return found;
    }

    public async ValueTask DisposeAsync()
    {
        await using (var drop = Source.CreateCommand($"DROP SCHEMA {Schema} CASCADE")) await drop.ExecuteNonQueryAsync();
        await Source.DisposeAsync();
    }
}

/// <summary>One schema a test class: an xunit class fixture.</summary>
public sealed class DatabaseOfThisClass : Xunit.IAsyncLifetime
{
    public TestDatabase Database { get; private set; } = null!;

    public async Task InitializeAsync() => Database = await TestDatabase.CreateAsync();

    public Task DisposeAsync() => Database.DisposeAsync().AsTask();
}

/// <summary>A clock that only a test moves.</summary>
public sealed class HandClock : TimeProvider
{
    DateTimeOffset _now = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);

    public override DateTimeOffset GetUtcNow() => _now;

    public void Advance(TimeSpan by) => _now += by;
}
