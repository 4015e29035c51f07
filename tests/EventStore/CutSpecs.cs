using System.Collections.Concurrent;
using FlatRender.Contracts;
using FlatRender.TestKit;
using MassTransit;
using MassTransit.RabbitMqTransport;
using RabbitMQ.Client;

namespace FlatRender.EventStore.Tests;

public sealed record Errand(Guid Id);

/// <summary>The bus, when what carries a message is gone before its consumer is done.</summary>
[Collection(House.OneBroker)]
public sealed class CutSpecs
{
    static string Rabbit => Environment.GetEnvironmentVariable("FLATRENDER_TEST_RABBITMQ")
        ?? throw new InvalidOperationException("FLATRENDER_TEST_RABBITMQ is not set. Run ./flatrender test: it starts a private RabbitMQ and sets it.");

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_message_whose_connection_or_channel_is_gone_before_its_consumer_is_done_comes_again_and_the_bus_goes_on(bool connection)
    {
        await using var cable = new Cable(Rabbit);
        var errands = new Errands();
        var queue = "errands-" + Ids.New().ToString("N");
        var bus = Bus.Factory.CreateUsingRabbitMq(transport =>
        {
            transport.Host(new Uri(cable.Address.Replace("amqp://", "rabbitmq://")), host => host.OutliveCuts());
            transport.OutliveCuts();
            transport.ReceiveEndpoint(queue, endpoint =>
            {
                endpoint.QueueExpiration = TimeSpan.FromMinutes(1);
                endpoint.ConcurrentMessageLimit = 4;
                endpoint.Instance(errands);
            });
        });
        await bus.StartAsync();
        try
        {
            await bus.Publish(new Errand(Ids.New()));
            var channel = await errands.Begun.Task;
            if (connection) cable.Cut();
            else await SpoilAsync(channel.Channel);
            await Eventually.So(() => Task.FromResult(channel.Channel.IsClosed), "the channel is gone");
            errands.MayEnd.SetResult();

            // At least once: how often is the broker's affair.
            await Eventually.So(() => Task.FromResult(errands.Times >= 2), "the message comes again");
            var another = new Errand(Ids.New());
            await bus.Publish(another);
            await Eventually.So(() => Task.FromResult(errands.Heard.ContainsKey(another.Id)), "the bus goes on");
        }
        finally
        {
            await bus.StopAsync(TimeSpan.FromSeconds(5));
        }
    }

    /// <summary>A broker closes a channel that says something to an exchange that is not there.</summary>
    static async Task SpoilAsync(IChannel channel)
    {
        try
        {
            await channel.BasicPublishAsync("nobody-" + Ids.New(), "", ReadOnlyMemory<byte>.Empty);
        }
        catch (RabbitMQ.Client.Exceptions.AlreadyClosedException)
        {
            // As it was meant.
        }
    }

    sealed class Errands : IConsumer<Errand>
    {
        int _times;

        public int Times => Volatile.Read(ref _times);
        public ConcurrentDictionary<Guid, byte> Heard { get; } = [];
        public TaskCompletionSource<ChannelContext> Begun { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
        public TaskCompletionSource MayEnd { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Consume(ConsumeContext<Errand> x)
        {
            Heard[x.Message.Id] = 0;
            if (Interlocked.Increment(ref _times) > 1) return Task.CompletedTask;
            x.ReceiveContext.TryGetPayload(out ChannelContext? channel).ShouldBeTrue();
            Begun.SetResult(channel!);
            return MayEnd.Task;
        }
    }
}
