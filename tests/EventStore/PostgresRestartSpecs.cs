using System.Collections.Concurrent;
using FlatRender.Contracts;
using FlatRender.TestKit;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Xunit.Abstractions;

namespace FlatRender.EventStore.Tests;

/// <summary>PostgreSQL killed under load, with commits that wait for the disk.</summary>
public sealed class PostgresRestartSpecs(ITestOutputHelper output)
{
    const int Writers = 8, Deaths = 2;

    [Fact]
    public async Task What_was_acknowledged_before_PostgreSQL_died_is_there_and_reaches_its_consumers()
    {
        await using var postgres = await OwnPostgres.StartAsync(durable: true);
        await using var source = NpgsqlDataSource.Create(postgres.ConnectionString);
        await Migration.ApplyAsync(source, "eventstore");
        var heard = new Heard();
        await using var house = await House.StartAsync(source, "eventstore", bus: x => x.AddConsumer<Listener>(), services: s => s.AddSingleton(heard), pipeline: false);

        using var stop = new CancellationTokenSource();
        var acknowledged = new ConcurrentDictionary<Guid, long>();
        var writers = Enumerable.Range(0, Writers).Select(_ => Task.Run(() => WriteAsync(house.Streams, acknowledged, stop.Token))).ToArray();
        for (var death = 0; death < Deaths; death++)
        {
            var before = acknowledged.Values.Sum();
            await Eventually.So(() => Task.FromResult(acknowledged.Values.Sum() > before + 200), "the writers write");
            await postgres.KillAsync();
            await postgres.StartAgainAsync();
        }
        var last = acknowledged.Values.Sum();
        await Eventually.So(() => Task.FromResult(acknowledged.Values.Sum() > last + 200), "the writers write again");
        await stop.CancelAsync();
        await Task.WhenAll(writers);

        foreach (var (stream, version) in acknowledged)
        {
            var facts = await house.Streams.ReadAsync(stream, CancellationToken.None);
            // What was under way when PostgreSQL died may have been stored without anybody being told.
            ((long)facts.Count).ShouldBeInRange(version, version + 1);
            facts.Select(f => f.Version).ShouldBe(Enumerable.Range(1, facts.Count).Select(v => (long)v));
            string? hash = null;
            foreach (var fact in facts)
            {
                Chain.Holds(hash, fact).ShouldBeTrue();
                hash = fact.Header("hash");
            }
            await Eventually.So(() => Task.FromResult(heard.Of(stream).Distinct().Order().SequenceEqual(facts.Select(f => f.Version))), $"every fact of {stream} is heard");
        }
        output.WriteLine($"{acknowledged.Values.Sum()} facts acknowledged over {Deaths} deaths: all there, all heard, {heard.Twice} of them twice");
    }

    /// <summary>Appends, and after a failure reads where the stream stands, as every client must.</summary>
    static async Task WriteAsync(Streams streams, ConcurrentDictionary<Guid, long> acknowledged, CancellationToken stop)
    {
        var (id, version, unsure) = (Ids.New(), 0L, false);
        while (!stop.IsCancellationRequested || unsure)
            try
            {
                if (unsure) version = await streams.VersionAsync(id, CancellationToken.None);
                unsure = false;
                if (stop.IsCancellationRequested) return;
                version = acknowledged[id] = await streams.AppendAsync(id, "render_job", version, [new JobHeld(new JobId(id), "test", $"{version}")], "test", CancellationToken.None);
            }
            catch (Exception e) when (e is NpgsqlException or ConcurrencyException or IOException)
            {
                unsure = true;
                // A server that comes up has better to do than to refuse.
                await Task.Delay(20, CancellationToken.None);
            }
    }

    sealed class Heard
    {
        readonly ConcurrentQueue<(Guid Stream, long Version)> _all = [];

        public void Add(Guid stream, long version) => _all.Enqueue((stream, version));
        public IEnumerable<long> Of(Guid stream) => _all.Where(h => h.Stream == stream).Select(h => h.Version);
        public int Twice => _all.Count - _all.Distinct().Count();
    }

    sealed class Listener(Heard heard) : IConsumer<JobHeld>
    {
        public Task Consume(ConsumeContext<JobHeld> x)
        {
            heard.Add(x.Message.JobId.Value, long.Parse(x.Headers.Get<string>("version")!));
            return Task.CompletedTask;
        }
    }
}
