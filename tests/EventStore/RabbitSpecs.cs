using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using FlatRender.Contracts;
using FlatRender.TestKit;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using Xunit.Abstractions;

namespace FlatRender.EventStore.Tests;

[Collection(House.OneBroker)]
public sealed class RabbitSpecs(ITestOutputHelper output) : IAsyncLifetime
{
    TestDatabase _database = null!;

    static string Rabbit => Environment.GetEnvironmentVariable("FLATRENDER_TEST_RABBITMQ")
        ?? throw new InvalidOperationException("FLATRENDER_TEST_RABBITMQ is not set. Run ./flatrender test: it starts a private RabbitMQ and sets it.");

    public async Task InitializeAsync() => _database = await TestDatabase.CreateAsync();
    public async Task DisposeAsync() => await _database.DisposeAsync();

    [Fact]
    public async Task Facts_reach_a_foreign_subscriber_and_our_own_consumers_in_the_order_of_the_store()
    {
        var ids = Enumerable.Range(0, 100).Select(_ => Ids.New()).ToHashSet();
        var seen = new ConcurrentQueue<(Guid Stream, long Version, string Type, string Body, string MessageId)>();
        await using var foreign = await new ConnectionFactory { Uri = new Uri(Rabbit) }.CreateConnectionAsync();
        await using var channel = await foreign.CreateChannelAsync();
        await channel.ExchangeDeclareAsync(RabbitTarget.Exchange, ExchangeType.Topic, durable: true);
        var queue = (await channel.QueueDeclareAsync()).QueueName;
        await channel.QueueBindAsync(queue, RabbitTarget.Exchange, "render.#");
        var consumer = new AsyncEventingBasicConsumer(channel);
        consumer.ReceivedAsync += (_, m) =>
        {
            var stream = Guid.Parse(Encoding.UTF8.GetString((byte[])m.BasicProperties.Headers!["stream_id"]!));
            if (ids.Contains(stream)) seen.Enqueue((stream, (long)m.BasicProperties.Headers["version"]!, m.RoutingKey, Encoding.UTF8.GetString(m.Body.Span), m.BasicProperties.MessageId!));
            return Task.CompletedTask;
        };
        await channel.BasicConsumeAsync(queue, autoAck: true, consumer);

        var films = new Films();
        await using var house = await House.StartAsync(_database, rabbit: Rabbit, services: s => s.AddSingleton(films), bus: x =>
        {
            x.AddConsumer<Farm>();
            x.AddConsumer<FilmWatcher>();
        });
        await Task.WhenAll(ids.Select(id => house.Bus.Publish(House.Submit(id))));
        await Eventually.So(() => Task.FromResult(ids.All(id => films.Done.ContainsKey(id))), "our consumer saw every film");
        await Eventually.So(() => Task.FromResult(seen.Count >= ids.Count * 5), "the foreign subscriber saw every fact");
        output.WriteLine($"{house.Tally.Units} units, {house.Tally.Batches} commits, {house.Tally.Reads} reads, {house.Tally.Conflicts} conflicts");

        foreach (var id in ids)
        {
            var stored = await house.Streams.ReadAsync(id, CancellationToken.None);
            var heard = seen.Where(s => s.Stream == id).ToArray();
            heard.Select(h => (h.Version, h.Type, h.MessageId)).ShouldBe(stored.Select(e => (e.Version, e.Type, e.EventId.ToString())));
            JsonDocument.Parse(heard[0].Body).RootElement.GetProperty("job_id").GetGuid().ShouldBe(id);
            films.Done[id].ShouldBe(48);
        }
    }

    [Fact]
    public async Task What_was_stored_in_an_old_shape_reaches_consumers_in_todays()
    {
        var renamed = new Upcaster("render.job.put_aside.v1", "render.job.held.v1", old => new() { ["job_id"] = old["job_id"]!.DeepClone(), ["by"] = old["who"]!.DeepClone(), ["reason"] = old["why"]!.DeepClone() });
        var asked = new Upcaster("ask.put_aside", "ask.resume_frames", old => new() { ["job_id"] = old["job_id"]!.DeepClone(), ["order"] = old["number"]!.DeepClone() });
        var letters = new Letters();
        // Who hears is there before anything is said.
        await using var hears = await StartAsync(relay: false, x => x.AddConsumer<Reader>());
        var job = Ids.New();
        await using (var process = new Process(_database)) await process.Streams.AppendAsync(job, "render_job", 0, [new JobHeld(new JobId(job), "x", "x")], "test", CancellationToken.None);
        // As an earlier version left them.
        await _database.QueryAsync("UPDATE {s}.mt_events SET type = 'render.job.put_aside.v1', data = jsonb_build_object('job_id', stream_id, 'who', 'maria', 'why', 'a complaint')", _ => 0);
        await _database.QueryAsync($"INSERT INTO {{s}}.agenda (kind, stream_id, due, type, data, headers) VALUES ('ask', '{job}', now(), 'ask.put_aside', '{{\"job_id\": \"{job}\", \"number\": 7}}', '{{}}')", _ => 0);

        await using var says = await StartAsync(relay: true, _ => { });

        await Eventually.So(() => Task.FromResult(Heard().Length == 2), "both are heard");
        Heard().ShouldBe([$"{job} held by maria: a complaint", $"{job} resumed 7"], ignoreOrder: true);

        // Each at least once.
        string[] Heard() => [.. letters.Read.Where(l => l.StartsWith($"{job}", StringComparison.Ordinal)).Distinct()];
        Task<House> StartAsync(bool relay, Action<IBusRegistrationConfigurator> bus) => House.StartAsync(_database, rabbit: Rabbit, pipeline: false, services: s => s.AddSingleton(letters), bus: bus,
            store: o => (o.Relay, o.Vocabulary) = (relay, Vocabulary.All.With(renamed, asked)));
    }

    sealed class Letters
    {
        public ConcurrentQueue<string> Read { get; } = [];
    }

    sealed class Reader(Letters letters) : IConsumer<JobHeld>, IConsumer<ResumeFrames>
    {
        public Task Consume(ConsumeContext<JobHeld> x)
        {
            letters.Read.Enqueue($"{x.Message.JobId} held by {x.Message.By}: {x.Message.Reason}");
            return Task.CompletedTask;
        }

        public Task Consume(ConsumeContext<ResumeFrames> x)
        {
            letters.Read.Enqueue($"{x.Message.JobId} resumed {x.Message.Order}");
            return Task.CompletedTask;
        }
    }

    sealed class Films
    {
        public ConcurrentDictionary<Guid, int> Done { get; } = [];
    }

    sealed class FilmWatcher(Films films) : IConsumer<JobDone>
    {
        public Task Consume(ConsumeContext<JobDone> x)
        {
            films.Done[x.Message.JobId.Value] = x.Message.Film.Frames;
            return Task.CompletedTask;
        }
    }
}
