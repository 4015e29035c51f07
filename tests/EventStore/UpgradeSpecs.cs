using FlatRender.Contracts;
using FlatRender.Sagas;
using FlatRender.TestKit;

namespace FlatRender.EventStore.Tests;

/// <summary>Databases as earlier releases left them, kept in <c>stored/</c>: each must open, upgrade, verify and go on.</summary>
public sealed class UpgradeSpecs : IAsyncLifetime
{
    TestDatabase _fresh = null!;

    public async Task InitializeAsync() => _fresh = await TestDatabase.CreateAsync();
    public async Task DisposeAsync() => await _fresh.DisposeAsync();

    public static TheoryData<string> Releases => [.. Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "stored"), "*.sql").Select(f => Path.GetFileName(f))];

    [Theory]
    [MemberData(nameof(Releases))]
    public async Task A_database_of_an_earlier_release_upgrades_and_verifies_and_goes_on(string release)
    {
        var schema = _fresh.Schema + "_old";
        var dump = await File.ReadAllTextAsync(Path.Combine(AppContext.BaseDirectory, "stored", release));
        await using (var restore = _fresh.Source.CreateCommand(dump.Replace("{schema}", schema))) await restore.ExecuteNonQueryAsync();
        await Migration.ApplyAsync(_fresh.Source, schema);
        (await ShapeAsync(schema)).ShouldBe(await ShapeAsync(_fresh.Schema));

        await using var process = new Process(_fresh, store: o => o.Schema = schema);
        var jobs = await process.Streams.MemoriesAsync<RenderJob>([], CancellationToken.None);
        jobs.Select(j => j.State).ShouldBe(["Cancelled", "Queued", "Validating"], ignoreOrder: true);
        foreach (var job in jobs)
        {
            job.ShouldBe(await process.Streams.FoldAsync<RenderJob>(job.Id, null, CancellationToken.None));
            string? hash = null;
            foreach (var e in await process.Streams.ReadAsync(job.Id, CancellationToken.None))
            {
                Chain.Holds(hash, e).ShouldBeTrue($"{e.Type} of {e.StreamId}");
                hash = e.Header("hash");
            }
        }

        var queued = jobs.Single(j => j.State == "Queued").Id;
        await process.DeliverAsync(new CancelRender(new JobId(queued), "me", "after the upgrade", 0));
        (await process.StateAsync(queued)).ShouldBe("Cancelled");
        await _fresh.QueryAsync($"DROP SCHEMA {schema} CASCADE", _ => 0);
    }

    Task<List<string>> ShapeAsync(string schema) => _fresh.QueryAsync(
        """
        SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable FROM information_schema.columns WHERE table_schema = $1
        UNION SELECT tablename || ' ' || replace(indexdef, $1 || '.', '') FROM pg_indexes WHERE schemaname = $1
        UNION SELECT event_object_table || ' ' || trigger_name || ' ' || action_condition FROM information_schema.triggers WHERE trigger_schema = $1
        ORDER BY 1
        """, r => r.GetString(0), schema);
}
