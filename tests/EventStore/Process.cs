using FlatRender.Contracts;
using FlatRender.Sagas;
using FlatRender.TestKit;
using MassTransit;
using MassTransit.Mediator;
using Microsoft.Extensions.DependencyInjection;

namespace FlatRender.EventStore.Tests;

/// <summary>A process with a store and the pipeline but no bus: a message is handled when Deliver returns, and its failure arrives in the test.</summary>
sealed class Process(TestDatabase database, TimeProvider? clock = null, Action<EventStoreOptions>? store = null) : IAsyncDisposable
{
    readonly ServiceProvider _services = new ServiceCollection()
        .AddLogging().AddSingleton(clock ?? TimeProvider.System).AddSingleton(House.Limits)
        .AddEventStore(o =>
        {
            (o.DataSource, o.Schema, o.Relay) = (database.Source, database.Schema, false);
            store?.Invoke(o);
        })
        .AddMediator(x => x.AddSagaStateMachine<RenderPipeline, RenderSaga>().InEventStore())
        .BuildServiceProvider(true);

    public T Get<T>() where T : notnull => _services.GetRequiredService<T>();
    public Streams Streams => Get<Streams>();
    public Tally Tally => Get<Tally>();

    public async Task DeliverAsync(object message)
    {
        await using var scope = _services.CreateAsyncScope();
        await scope.ServiceProvider.GetRequiredService<IMediator>().Publish(message, message.GetType());
    }

    public async Task<string?> StateAsync(Guid id) => (await Streams.LoadAsync<RenderJob>(id, CancellationToken.None))?.State;

    public UnitOfWork Unit(Guid stream, long expected = 0, string type = "render_job")
    {
        var unit = new UnitOfWork(stream, type, Vocabulary.All, FactHeaders.Of("test", null), TimeProvider.System.GetUtcNow());
        unit.StandOn(expected, null);
        return unit;
    }

    public ValueTask DisposeAsync() => _services.DisposeAsync();
}
