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
