using System.Globalization;
using System.Text;
using FlatRender.Contracts;
using FlatRender.Gateway.Messages;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace FlatRender.Bench.Messages;

/// <summary>The least that asks a microservice at the broker and hears its answer; and the microservice, which both ways ask.</summary>
static class RawLoop
{
    const int Channels = 4;
    const string Asked = "asked";

    static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    static readonly byte[] Content = Encoding.UTF8.GetBytes($$"""{"player":"{{Guid.Empty}}","mode":"team-deathmatch"}""");

    /// <summary>Answers everything with what it was asked, until told to stop.</summary>
    public static async Task EchoAsync(string broker, string exchange)
    {
        await using var connection = await new ConnectionFactory { Uri = new Uri(broker) }.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync();
        await channel.ExchangeDeclareAsync(exchange, ExchangeType.Direct, autoDelete: true);
        await channel.ExchangeDeclareAsync(MessageRoute.Responses, ExchangeType.Direct, durable: true);
        var queue = (await channel.QueueDeclareAsync()).QueueName;
        await channel.QueueBindAsync(queue, exchange, "echo");
        var consumer = new AsyncEventingBasicConsumer(channel);
        consumer.ReceivedAsync += async (_, asked) =>
        {
            byte[] answer = [.. "{\"content\":"u8, .. asked.Body.Span, .. "}"u8];
            await channel.BasicPublishAsync(MessageRoute.Responses, asked.BasicProperties.ReplyTo!, false, new BasicProperties { ContentType = "application/json", CorrelationId = asked.BasicProperties.CorrelationId }, answer);
        };
        await channel.BasicConsumeAsync(queue, autoAck: true, consumer);
        Console.WriteLine("there");
        await Warm.AnswerAsync();
    }

    /// <summary>So many loops over one connection, each with a reply queue of its own, as the gateway's sockets have.</summary>
    public static async Task RunAsync(string broker, string exchange, int loops, int seconds)
    {
        await using var connection = await new ConnectionFactory { Uri = new Uri(broker) }.CreateConnectionAsync();
        var channels = new List<(IChannel Out, IChannel In, SemaphoreSlim Turn)>();
        for (var n = 0; n < Channels; n++) channels.Add((await connection.CreateChannelAsync(), await connection.CreateChannelAsync(), new SemaphoreSlim(1)));
        var ask = new List<Func<Task>>();
        for (var n = 0; n < loops; n++) ask.Add(await LoopAsync(channels[n % Channels], exchange));
        await Load.RunAsync(ask, seconds);
    }

    static async Task<Func<Task>> LoopAsync((IChannel Out, IChannel In, SemaphoreSlim Turn) at, string exchange)
    {
        var queue = Ids.New().ToString();
        TaskCompletionSource<byte[]>? waiting = null;
        await at.In.QueueDeclareAsync(queue, durable: false, exclusive: true, autoDelete: true);
        await at.In.QueueBindAsync(queue, MessageRoute.Responses, queue);
        var consumer = new AsyncEventingBasicConsumer(at.In);
        consumer.ReceivedAsync += (_, answer) =>
        {
            // Whoever does this by hand does no less: the answer is to the question, it is kept, and nobody waits for ever for one that is lost.
            if (answer.BasicProperties.CorrelationId == Asked) waiting!.TrySetResult(answer.Body.ToArray());
            return Task.CompletedTask;
        };
        await at.In.BasicConsumeAsync(queue, autoAck: true, consumer);
        return async () =>
        {
            waiting = new(TaskCreationOptions.RunContinuationsAsynchronously);
            var properties = new BasicProperties
            {
                ContentType = "application/json",
                DeliveryMode = DeliveryModes.Persistent,
                ReplyTo = queue,
                CorrelationId = Asked,
                Expiration = Patience.TotalMilliseconds.ToString(CultureInfo.InvariantCulture),
                Headers = new Dictionary<string, object?> { ["om_routing_key"] = "echo", ["om_request_url"] = "echo", ["om_permissions"] = "", ["om_user_id"] = "" },
            };
            await at.Turn.WaitAsync();
            try
            {
                await at.Out.BasicPublishAsync(exchange, "echo", mandatory: true, properties, Content);
            }
            finally
            {
                at.Turn.Release();
            }

            if (!(await waiting.Task.WaitAsync(Patience)).AsSpan().StartsWith("{\"content\":"u8)) throw new InvalidOperationException("What came is no answer.");
        };
    }

    /// <summary>What a client of the gateway says.</summary>
    public static byte[] Message { get; } = [.. "{\"url\":\"echo\",\"content\":"u8, .. Content, .. ",\"event-name\":\"asked\"}"u8];
}
