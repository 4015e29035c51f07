using System.Diagnostics;
using FlatRender.Contracts;
using FlatRender.Sagas;
using FlatRender.TestKit;
using MassTransit;
using Xunit.Abstractions;

namespace FlatRender.EventStore.Tests;

public sealed class PipelineInMemorySpecs(ITestOutputHelper output) : IAsyncLifetime
{
    TestDatabase _database = null!;

    public async Task InitializeAsync() => _database = await TestDatabase.CreateAsync();
    public async Task DisposeAsync() => await _database.DisposeAsync();

    [Fact]
    public async Task Jobs_run_from_submission_to_done_and_their_memory_is_the_fold_of_their_facts()
    {
        await using var house = await House.StartAsync(_database, bus: x => x.AddConsumer<Farm>());
        var ids = Enumerable.Range(0, 200).Select(_ => Ids.New()).ToArray();
        var watch = Stopwatch.StartNew();
        await Task.WhenAll(ids.Select(id => house.Bus.Publish(House.Submit(id))));
        await Eventually.So(async () => (await _database.QueryAsync("SELECT count(*) FROM {s}.mt_doc_renderjob WHERE data->>'state' = 'Done'", r => r.GetInt64(0))).Single() == ids.Length, "all jobs are done");
        output.WriteLine($"{ids.Length} jobs in {watch.ElapsedMilliseconds} ms; {house.Tally.Units} units in {house.Tally.Batches} commits, {house.Tally.Reads} reads, {house.Tally.Conflicts} conflicts");

        foreach (var id in ids)
        {
            var folded = await house.Streams.FoldAsync<RenderJob>(id, null, CancellationToken.None);
            (await house.Streams.LoadAsync<RenderJob>(id, CancellationToken.None)).ShouldBe(folded);
            string? hash = null;
            foreach (var e in await house.Streams.ReadAsync(id, CancellationToken.None))
            {
                Chain.Holds(hash, e).ShouldBeTrue($"the chain holds at {e.Type}");
                hash = e.Header("hash");
            }
        }
    }
}
