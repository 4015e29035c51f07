using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.TestKit;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Npgsql;

namespace FlatRender.Projections.Tests;

/// <summary>An event store of one's own, and processes that run projections on it.</summary>
public sealed class Store : IAsyncLifetime
{
    readonly List<House> _houses = [];

    public TestDatabase Database { get; private set; } = null!;

    public async Task InitializeAsync() => Database = await TestDatabase.CreateAsync();

    /// <summary>One process with these projections, or with none.</summary>
    public async Task<House> OpenAsync(params IProjection[] projections)
    {
        var builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Services.AddSingleton(Database.Source);
        builder.Services.AddEventStore(o => (o.Schema, o.Relay, o.Poll, o.Vocabulary) = (Database.Schema, false, TimeSpan.FromMilliseconds(20), Words.All));
        builder.Services.AddProjections();
        foreach (var projection in projections) builder.Services.AddSingleton(projection);
        var host = builder.Build();
        await host.StartAsync();
        var house = new House(host);
        _houses.Add(house);
        return house;
    }

    public async Task DisposeAsync()
    {
        foreach (var house in _houses) await house.DisposeAsync();
        await Database.DisposeAsync();
    }
}

/// <summary>A process on the store.</summary>
public sealed class House(IHost host) : IAsyncDisposable
{
    bool _closed;

    public EventStore.Projections Projections => host.Services.GetRequiredService<EventStore.Projections>();
    public Streams Streams => host.Services.GetRequiredService<Streams>();

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

/// <summary>The words of these tests: those of the product, and one it does not know any more.</summary>
public static class Words
{
    public static readonly Vocabulary All = Vocabulary.All;
}
