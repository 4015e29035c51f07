using System.Collections.Concurrent;
using System.Text;
using FlatRender.Contracts;
using FlatRender.Sagas;
using FlatRender.TestKit;
using MassTransit;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using Xunit.Abstractions;

namespace FlatRender.EventStore.Tests;

/// <summary>The broker goes away in the middle: its connections cut, or itself killed.</summary>
[Collection(House.OneBroker)]
public sealed class BrokerSpecs(ITestOutputHelper output) : IAsyncLifetime
{
    /// <summary>What a relay may have under way, and so what may come twice, each time its connection ends.</summary>
    const int Batch = 500;

    readonly ConcurrentQueue<(Guid Stream, long Version)> _heard = [];
    readonly Guid[] _ids = [.. Enumerable.Range(0, 60).Select(_ => Ids.New())];
    TestDatabase _database = null!;

    static string Rabbit => Environment.GetEnvironmentVariable("FLATRENDER_TEST_RABBITMQ")!;

    public async Task InitializeAsync() => _database = await TestDatabase.CreateAsync();
    public async Task DisposeAsync() => await _database.DisposeAsync();

    [Fact]
    public async Task Connections_that_are_cut_again_and_again_lose_no_fact_and_repeat_few()
    {
        await using var cable = new Cable(Rabbit);
        await using var subscriber = await ListenAsync(Rabbit);
        await using var house = await OpenAsync(cable.Address);
        await SubmitAsync(house);
        for (var cut = 1; cut <= 3; cut++)
        {
            await HeardAsync(cut * 60);
            cable.Cut();
        }
        await AllDoneAsync(house);
        await ThenNothingIsLostAsync(house, times: 3);
    }

    [Fact]
    public async Task A_broker_that_is_killed_and_started_again_loses_no_fact_and_no_render()
    {
        await using var rabbit = await OwnRabbit.StartAsync();
        var subscriber = await ListenAsync(rabbit.Address);
        await using var house = await OpenAsync(rabbit.Address);
        await SubmitAsync(house);
        await HeardAsync(90);
        await rabbit.KillAsync();
        await subscriber.DisposeAsync();
        await rabbit.StartAgainAsync();
        await using var again = await ListenAsync(rabbit.Address);
        await AllDoneAsync(house);
        await ThenNothingIsLostAsync(house, times: 1);
    }

    Task<House> OpenAsync(string broker) => House.StartAsync(_database, rabbit: broker, bus: x => x.AddConsumer<Farm>());

    // As the gateway does: submitted is what is stored. Other houses' renders may be stored too: all of one broker hear them.
    async Task SubmitAsync(House house)
    {
        foreach (var id in _ids) await house.Bus.Publish(House.Submit(id));
        await Eventually.So(async () => (await _database.QueryAsync("SELECT id FROM {s}.mt_streams", r => r.GetGuid(0))).Intersect(_ids).Count() == _ids.Length, "every render is stored");
    }

    Task HeardAsync(int facts) => Eventually.So(() => Task.FromResult(_heard.Distinct().Count() >= facts), $"{facts} facts are heard");

    Task AllDoneAsync(House house) =>
        Eventually.So(async () => (await house.Streams.MemoriesAsync<RenderJob>([Step.Done], CancellationToken.None)).Select(j => j.Id).Intersect(_ids).Count() == _ids.Length, "every render is done");

    async Task ThenNothingIsLostAsync(House house, int times)
    {
        var stored = new List<(Guid, long)>();
        foreach (var id in _ids) stored.AddRange((await house.Streams.ReadAsync(id, CancellationToken.None)).Select(f => (id, f.Version)));
        await HeardAsync(stored.Count);
        var twice = _heard.Count - _heard.Distinct().Count();
        output.WriteLine($"{stored.Count} facts of {_ids.Length} renders, the broker gone {times} times: none lost, {twice} heard twice");
        _heard.Distinct().ShouldBe(stored, ignoreOrder: true);
        // A subscriber that had not yet acknowledged hears the same again.
        twice.ShouldBeLessThanOrEqualTo(times * 2 * Batch);
        // Whoever drops what it knows hears every stream in order.
        foreach (var stream in _heard.Distinct().GroupBy(h => h.Stream)) stream.Select(h => h.Version).ShouldBeInOrder();
    }

    /// <summary>A durable queue of its own: what the broker has confirmed waits there for whoever comes back.</summary>
    async Task<IConnection> ListenAsync(string broker)
    {
        var connection = await new ConnectionFactory { Uri = new Uri(broker), AutomaticRecoveryEnabled = false }.CreateConnectionAsync();
        var channel = await connection.CreateChannelAsync();
        await channel.ExchangeDeclareAsync(RabbitTarget.Exchange, ExchangeType.Topic, durable: true);
        var queue = $"{_database.Schema}-heard";
        await channel.QueueDeclareAsync(queue, durable: true, exclusive: false, autoDelete: false, new Dictionary<string, object?> { ["x-expires"] = 300_000 });
        await channel.QueueBindAsync(queue, RabbitTarget.Exchange, "render.job.#");
        var consumer = new AsyncEventingBasicConsumer(channel);
        consumer.ReceivedAsync += async (_, m) =>
        {
            var stream = Guid.Parse(Encoding.UTF8.GetString((byte[])m.BasicProperties.Headers!["stream_id"]!));
            if (_ids.Contains(stream)) _heard.Enqueue((stream, (long)m.BasicProperties.Headers["version"]!));
            await channel.BasicAckAsync(m.DeliveryTag, multiple: false);
        };
        await channel.BasicConsumeAsync(queue, autoAck: false, consumer);
        return connection;
    }
}
