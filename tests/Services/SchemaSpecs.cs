using FlatRender.EventStore;
using FlatRender.Render;
using FlatRender.TestKit;

namespace FlatRender.Services.Tests;

/// <summary>A room's schema and the numbered files that shape it.</summary>
public sealed class SchemaSpecs : IAsyncLifetime
{
    OwnDatabase _database = null!;

    public async Task InitializeAsync() => _database = await OwnDatabase.CreateAsync();
    public async Task DisposeAsync() => await _database.DisposeAsync();

    Task UpdateAsync() => Schema.UpdateAsync(_database.Source, "render", typeof(RenderService).Assembly, CancellationToken.None);

    Task<List<(int Number, string Name)>> SeenAsync() =>
        _database.Source.QueryAsync("SELECT number, name FROM render.schema_updates ORDER BY number", r => (r.GetInt32(0), r.GetString(1)), CancellationToken.None);

    [Fact]
    public async Task Every_update_is_applied_once_however_many_processes_start()
    {
        await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => UpdateAsync()));
        (await SeenAsync()).ShouldContain((1, "001_farm"));
        await UpdateAsync();
    }

    [Fact]
    public async Task A_room_of_release_0_1_0_which_noted_names_alone_goes_on_and_loses_nothing()
    {
        await UpdateAsync();
        var all = await SeenAsync();
        await _database.Source.RunAsync(
            """
            DROP TABLE render.schema_updates;
            CREATE TABLE render.schema_updates (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now());
            """, CancellationToken.None);
        foreach (var (_, name) in all) await _database.Source.RunAsync("INSERT INTO render.schema_updates (name) VALUES ($1)", CancellationToken.None, $"FlatRender.Render.sql.{name}.sql");
        await UpdateAsync();
        (await SeenAsync()).ShouldBe(all);
    }
}
