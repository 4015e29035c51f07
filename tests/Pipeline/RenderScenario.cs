using System.Text.Json;
using FlatRender.Contracts;
using FlatRender.EventStore;
#if MARTEN
using FlatRender.EventStore.Marten;
#endif
using FlatRender.Sagas;
using FlatRender.TestKit;
using MassTransit;
using MassTransit.Mediator;
using Microsoft.Extensions.DependencyInjection;

namespace FlatRender.Pipeline.Tests;

/// <summary>One render lived through on a real database: Given what happened, When this arrives, Then these rows.</summary>
public sealed class RenderScenario : IAsyncDisposable
{
    readonly ServiceProvider _services;
    readonly TestDatabase _database;

    public JobId Id { get; } = new(Guid.NewGuid());
    public HandClock Clock { get; } = new();

    /// <summary>Wire names of the facts the last message left.</summary>
    public IReadOnlyList<string> Recorded { get; private set; } = [];

    /// <summary>Wire names of the asks and reminders the last message left.</summary>
    public IReadOnlyList<string> Agenda { get; private set; } = [];

    public static readonly FilmSpec Film = new(1920, 1080, 240, 30, 1, "#ffffff", new Rect(0, 0, 1920, 1080), "1/1");

    // Twice patient: the third time a wait runs out, the render fails.
    public static readonly RenderLimits Limits = new(
        Queue: new(TimeSpan.FromMinutes(10), 2), Rendering: new(TimeSpan.FromMinutes(20), 2),
        Validation: new(TimeSpan.FromMinutes(5), 2), Repair: new(TimeSpan.FromMinutes(4), 2), Repairs: 2);

    public RenderScenario(TestDatabase database)
    {
        _database = database;
        _services = new ServiceCollection()
            .AddLogging().AddSingleton<TimeProvider>(Clock).AddSingleton(Limits)
            .AddEventStore(o => (o.DataSource, o.Schema, o.Relay) = (database.Source, database.Schema, false))
            .AddMediator(x => x.AddSagaStateMachine<RenderPipeline, RenderSaga>().InEventStore())
#if MARTEN
            .CommitThroughMarten()
#endif
            .BuildServiceProvider(true);
    }

    public async Task<RenderScenario> Given(params object[] messages)
    {
        foreach (var message in messages) await DeliverAsync(message);
        return this;
    }

    /// <summary>Delivers one message and keeps what it left: facts and agenda rows, by wire name.</summary>
    public async Task When(object message)
    {
        var version = (await MemoryAsync())?.Version ?? 0;
        var mark = (await _database.QueryAsync("SELECT coalesce(max(id), 0) FROM {s}.agenda", row => row.GetInt64(0))).Single();
        await DeliverAsync(message);
        Recorded = await _database.QueryAsync("SELECT type FROM {s}.mt_events WHERE stream_id = $1 AND version > $2 ORDER BY version", row => row.GetString(0), Id.Value, version);
        Agenda = await _database.QueryAsync("SELECT type FROM {s}.agenda WHERE stream_id = $1 AND id > $2 ORDER BY id", row => row.GetString(0), Id.Value, mark);
    }

    /// <summary>Asserts the state and exactly what the last message left; then that the stored memory is the fold of the stored facts.</summary>
    public async Task Then(string state, string[]? recorded = null, string[]? asked = null)
    {
        (await StateAsync(), Lines(Recorded), Lines(Agenda)).ShouldBe((state, Lines(recorded ?? []), Lines(asked ?? [])));
        await ThenMemoryIsTheFold();
    }

    public async Task ThenMemoryIsTheFold()
    {
        var folded = RenderJob.Unborn(Id.Value);
        foreach (var (type, data) in await _database.QueryAsync("SELECT type, data::text FROM {s}.mt_events WHERE stream_id = $1 ORDER BY version", row => (row.GetString(0), row.GetString(1)), Id.Value))
            folded = folded.Apply(JsonSerializer.Deserialize(data, Vocabulary.All.TypeOf(type), Wire.Json)!);
        (await MemoryAsync())?.Memory.ShouldBe(folded);
    }

    public async Task<string> StateAsync() => (await MemoryAsync())?.Memory.State ?? "";

    public async Task<RenderJob> JobAsync() => (await MemoryAsync())!.Value.Memory;

    /// <summary>Reminders of the present order that wait in the agenda.</summary>
    public Task<List<string>> RemindersAsync() => _database.QueryAsync("""
        SELECT a.type FROM {s}.agenda a JOIN {s}.mt_doc_renderjob d ON d.id = a.stream_id
        WHERE a.stream_id = $1 AND a.kind = 'remind' AND (a.data->>'order')::int = (d.data->>'order')::int
        """, row => row.GetString(0), Id.Value);

    async Task<(RenderJob Memory, long Version)?> MemoryAsync()
    {
        var found = await _database.QueryAsync("SELECT d.data::text, s.version FROM {s}.mt_doc_renderjob d JOIN {s}.mt_streams s ON s.id = d.id WHERE d.id = $1",
            row => (JsonSerializer.Deserialize<RenderJob>(row.GetString(0), Wire.Json)!, row.GetInt64(1)), Id.Value);
        return found.Count == 0 ? null : found[0];
    }

    async Task DeliverAsync(object message)
    {
        await using var scope = _services.CreateAsyncScope();
        await scope.ServiceProvider.GetRequiredService<IMediator>().Publish(message, message.GetType());
    }

    static string Lines(IEnumerable<string> words) => string.Join("\n", words);

    public ValueTask DisposeAsync() => _services.DisposeAsync();
}
