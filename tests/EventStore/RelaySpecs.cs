using System.Collections.Concurrent;
using System.Text;
using FlatRender.Contracts;
using FlatRender.TestKit;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using Xunit.Abstractions;

namespace FlatRender.EventStore.Tests;

/// <summary>Relays as processes of their own, paused and killed while facts are written.</summary>
[Collection(House.OneBroker)]
public sealed class RelaySpecs(ITestOutputHelper output) : IAsyncLifetime
{
    /// <summary>What a relay may have under way when it is stopped, and so what may come twice.</summary>
    const int Batch = 500;

    readonly ConcurrentQueue<(Guid Stream, long Version)> _heard = [];
    readonly Guid[] _streams = [.. Enumerable.Range(0, 20).Select(_ => Ids.New())];
    readonly long[] _versions = new long[20];
    TestDatabase _database = null!;
    Process _process = null!;
    IConnection _rabbit = null!;

    static string Rabbit => Environment.GetEnvironmentVariable("FLATRENDER_TEST_RABBITMQ")!;

    public async Task InitializeAsync()
    {
        _database = await TestDatabase.CreateAsync();
        _process = new Process(_database);
        _rabbit = await new ConnectionFactory { Uri = new Uri(Rabbit) }.CreateConnectionAsync();
        var channel = await _rabbit.CreateChannelAsync();
        await channel.ExchangeDeclareAsync(RabbitTarget.Exchange, ExchangeType.Topic, durable: true);
        var queue = (await channel.QueueDeclareAsync()).QueueName;
        await channel.QueueBindAsync(queue, RabbitTarget.Exchange, "render.job.held.v1");
        var consumer = new AsyncEventingBasicConsumer(channel);
        consumer.ReceivedAsync += (_, m) =>
        {
            var stream = Guid.Parse(Encoding.UTF8.GetString((byte[])m.BasicProperties.Headers!["stream_id"]!));
            if (_streams.Contains(stream)) _heard.Enqueue((stream, (long)m.BasicProperties.Headers["version"]!));
            return Task.CompletedTask;
        };
        await channel.BasicConsumeAsync(queue, autoAck: true, consumer);
    }

    public async Task DisposeAsync()
    {
        await _rabbit.DisposeAsync();
        await _process.DisposeAsync();
        await _database.DisposeAsync();
    }

    [Fact]
    public async Task A_leader_that_is_paused_is_replaced_and_when_it_wakes_it_does_no_harm()
    {
        using var first = await StartAsync(Rabbit);
        await WriteAsync(200);
        await HeardAsync("the first relay leads");
        using var second = await StartAsync(Rabbit);

        await SignalAsync("STOP", first);
        await WriteAsync(200);
        await HeardAsync("the second has taken over from the paused one");
        await SignalAsync("CONT", first);
        await WriteAsync(200);
        await HeardAsync("all goes on with both awake");

        await SignalAsync("KILL", second);
        await WriteAsync(200);
        await HeardAsync("the first has taken over from the dead one");
        await SignalAsync("KILL", first);

        var twice = _heard.Count - _heard.Distinct().Count();
        output.WriteLine($"{_versions.Sum()} facts, one pause and one death of the leader: none lost, {twice} heard twice");
        twice.ShouldBeLessThanOrEqualTo(2 * Batch);
        // Whoever drops what it knows hears every stream in order.
        foreach (var stream in _heard.Distinct().GroupBy(h => h.Stream)) stream.Select(h => h.Version).ShouldBe(Enumerable.Range(1, stream.Count()).Select(v => (long)v));
    }

    [Fact]
    public async Task A_leader_stopped_between_publish_and_confirm_has_that_batch_said_again_and_nothing_more()
    {
        await using var cable = new Cable(Rabbit);
        using var first = await StartAsync(cable.Address);
        await WriteAsync(20);
        await HeardAsync("the first relay leads");

        // All hundred in one batch, which the broker takes and nobody confirms.
        await SignalAsync("STOP", first);
        await WriteAsync(100);
        cable.HoldAnswers();
        await SignalAsync("CONT", first);
        await HeardAsync("the batch has arrived");
        await SignalAsync("STOP", first);
        using var second = await StartAsync(Rabbit);
        await Eventually.So(() => Task.FromResult(_heard.Count == 220), "the second relay says the batch again");
        await SignalAsync("CONT", first);
        await WriteAsync(100);
        await HeardAsync("all goes on with both awake");
        await SignalAsync("KILL", first);
        await SignalAsync("KILL", second);

        var twice = _heard.Count - _heard.Distinct().Count();
        output.WriteLine($"{_versions.Sum()} facts, none lost, {twice} heard twice: those that were not confirmed");
        twice.ShouldBe(100);
    }

    [Fact]
    public async Task A_relay_whose_connection_is_cut_again_and_again_loses_no_fact_and_repeats_a_batch_at_most_each_time()
    {
        const int cuts = 3;
        await using var cable = new Cable(Rabbit);
        using var relay = await StartAsync(cable.Address);
        for (var cut = 0; cut < cuts; cut++)
        {
            await WriteAsync(100);
            cable.Cut();
            await WriteAsync(100);
            await HeardAsync("the relay has come back");
        }
        await SignalAsync("KILL", relay);

        var twice = _heard.Count - _heard.Distinct().Count();
        output.WriteLine($"{_versions.Sum()} facts, {cuts} cuts: none lost, {twice} heard twice");
        twice.ShouldBeLessThanOrEqualTo(cuts * Batch);
        foreach (var stream in _heard.Distinct().GroupBy(h => h.Stream)) stream.Select(h => h.Version).ShouldBe(Enumerable.Range(1, stream.Count()).Select(v => (long)v));
    }

    async Task<System.Diagnostics.Process> StartAsync(string broker)
    {
        var child = CrashSpecs.Start(_database, "relay", broker, "-", []);
        (await child.StandardOutput.ReadLineAsync()).ShouldBe("started");
        return child;
    }

    async Task WriteAsync(int facts)
    {
        for (var i = 0; i < facts; i++)
        {
            var n = i % _streams.Length;
            _versions[n] = await _process.Streams.AppendAsync(_streams[n], "render_job", _versions[n], [new JobHeld(new JobId(_streams[n]), "test", $"{i}")], "test", CancellationToken.None);
        }
    }

    Task HeardAsync(string what) => Eventually.So(() => Task.FromResult(_heard.Distinct().Count() == _versions.Sum()), what);

    static async Task SignalAsync(string signal, System.Diagnostics.Process child)
    {
        using var kill = System.Diagnostics.Process.Start("kill", [$"-{signal}", $"{child.Id}"]);
        await kill.WaitForExitAsync();
        if (signal == "KILL") await child.WaitForExitAsync();
    }
}
