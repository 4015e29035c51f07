using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.Sagas;
using FlatRender.TestKit;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Npgsql;

namespace FlatRender.Projections.Tests;

/// <summary>An event store of one's own, and processes that run projections on it.</summary>
/// <param name="database">A database of its own too: for services, whose schemas have fixed names.</param>
public sealed class Store(bool database = false) : IAsyncLifetime
{
    readonly List<House> _houses = [];
    readonly string _name = "t_" + Ids.New().ToString("N")[..12];

    public NpgsqlDataSource Source { get; private set; } = null!;
    public string Schema => database ? "eventstore" : _name;

    public async Task InitializeAsync()
    {
        if (database) await AdminAsync($"CREATE DATABASE {_name}");
        Source = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(TestDatabase.ConnectionString) { MaxPoolSize = 20, Database = database ? _name : new NpgsqlConnectionStringBuilder(TestDatabase.ConnectionString).Database }.ToString());
        await Migration.ApplyAsync(Source, Schema, CancellationToken.None);
    }

    /// <summary>One process with these projections, or with none.</summary>
    public Task<House> OpenAsync(params IProjection[] projections) => OpenAsync(services =>
    {
        foreach (var projection in projections) services.AddSingleton(projection);
    });

    public async Task<House> OpenAsync(Action<IServiceCollection> more)
    {
        var builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        Serve(builder.Services);
        more(builder.Services);
        var host = builder.Build();
        await host.StartAsync();
        var house = new House(host);
        _houses.Add(house);
        return house;
    }

    /// <summary>The store, its projections and the pipeline, as a host registers them.</summary>
    public void Serve(IServiceCollection services) => services
        .AddSingleton(Source).AddSingleton(Vocabulary.All).AddSingleton(Renders.Limits).AddSingleton(LegalPath.Kind).AddSingleton<Audit>()
        .AddEventStore(o => (o.Schema, o.Relay, o.Poll) = (Schema, false, TimeSpan.FromMilliseconds(20)))
        .AddProjections()
        .AddMediator(x => x.AddSagaStateMachine<RenderPipeline, RenderSaga>().InEventStore());

    /// <summary>Runs SQL in which {s} stands for the store's schema; $1 ... are the values.</summary>
    public async Task<List<T>> QueryAsync<T>(string sql, Func<NpgsqlDataReader, T> row, params object[] values)
    {
        await using var command = Source.CreateCommand(sql.Replace("{s}", Schema));
        foreach (var value in values) command.Parameters.Add(new NpgsqlParameter { Value = value });
        var found = new List<T>();
        await using var rows = await command.ExecuteReaderAsync();
        while (await rows.ReadAsync()) found.Add(row(rows));
        return found;
    }

    public Task RunAsync(string sql, params object[] values) => QueryAsync(sql, _ => 0, values);

    public async Task DisposeAsync()
    {
        foreach (var house in _houses) await house.DisposeAsync();
        if (!database) await RunAsync("DROP SCHEMA {s} CASCADE");
        await Source.DisposeAsync();
        if (database) await AdminAsync($"DROP DATABASE {_name} WITH (FORCE)");
    }

    static async Task AdminAsync(string sql)
    {
        await using var source = NpgsqlDataSource.Create(TestDatabase.ConnectionString);
        await using var command = source.CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }
}

/// <summary>A process on the store.</summary>
public sealed class House(IHost host) : IAsyncDisposable
{
    bool _closed;

    public IServiceProvider Services => host.Services;
    public EventStore.Projections Projections => host.Services.GetRequiredService<EventStore.Projections>();
    public Streams Streams => host.Services.GetRequiredService<Streams>();
    public Audit Audit => host.Services.GetRequiredService<Audit>();

    /// <summary>Appends facts to a stream that is at <paramref name="version"/>.</summary>
    public Task<long> WriteAsync(Guid stream, long version, params object[] facts) => Streams.AppendAsync(stream, "render_job", version, facts, "a test", CancellationToken.None);

    public async ValueTask DisposeAsync()
    {
        if (_closed) return;
        _closed = true;
        await host.StopAsync();
        host.Dispose();
    }
}
