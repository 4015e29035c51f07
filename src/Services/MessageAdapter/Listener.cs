using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace FlatRender.MessageAdapter;

/// <summary>Where a microservice is asked.</summary>
/// <param name="Exchange">Direct and durable; made where it is not there.</param>
/// <param name="Queues">Each is bound by its own name, and shared by all processes that listen there.</param>
/// <param name="Concurrency">Requests worked on at once.</param>
/// <param name="ResponseExchange">Where answers are published, by the name of the queue that the request names.</param>
public sealed record Listening(string Exchange, IReadOnlyList<string> Queues, int Concurrency = 16, string ResponseExchange = "open-matchmaking.responses.direct");

/// <summary>
/// Takes requests from the broker and publishes answers: raw JSON, no envelope of any library around it, nothing but the correlation id taken over from the request.
/// A request is taken once: should its process die it is not done a second time by another, but not answered, and its client hears of that when the time is over.
/// </summary>
public sealed partial class Listener(IReadOnlyList<Uri> brokers, Listening at, IMicroservice service, TimeProvider clock, ILogger<Listener> log) : BackgroundService
{
    const string Nobody = "null";
    static readonly TimeSpan PublishedWithin = TimeSpan.FromSeconds(5);

    readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Ends when requests are taken for the first time.</summary>
    public Task Ready => _ready.Task;

    protected override Task ExecuteAsync(CancellationToken stopping) => at.Queues.Count == 0 ? Task.CompletedTask : BrokerLoop.RunAsync(brokers, ListenAsync, Lost, clock, stopping);

    async Task<string> ListenAsync(Uri broker, CancellationToken stopping)
    {
        var factory = new ConnectionFactory { Uri = broker, AutomaticRecoveryEnabled = false, RequestedHeartbeat = TimeSpan.FromSeconds(10), ClientProvidedName = "flatrender microservice" };
        await using var connection = await factory.CreateConnectionAsync(stopping);
        await using var channel = await connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: false, publisherConfirmationTrackingEnabled: false, consumerDispatchConcurrency: (ushort)at.Concurrency), stopping);
        var ended = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        channel.ChannelShutdownAsync += (_, why) =>
        {
            ended.TrySetResult(why.ReplyText);
            return Task.CompletedTask;
        };
        await channel.ExchangeDeclareAsync(at.Exchange, ExchangeType.Direct, durable: true, cancellationToken: stopping);
        if (at.ResponseExchange.Length > 0) await channel.ExchangeDeclareAsync(at.ResponseExchange, ExchangeType.Direct, durable: true, cancellationToken: stopping);
        await channel.BasicQosAsync(0, (ushort)at.Concurrency, global: false, stopping);
        using var turn = new SemaphoreSlim(1);
        foreach (var queue in at.Queues)
        {
            await channel.QueueDeclareAsync(queue, durable: true, exclusive: false, autoDelete: false, new Dictionary<string, object?> { ["x-queue-type"] = "quorum" }, cancellationToken: stopping);
            await channel.QueueBindAsync(queue, at.Exchange, queue, cancellationToken: stopping);
            var consumer = new AsyncEventingBasicConsumer(channel);
            consumer.ReceivedAsync += (_, message) => TakeAsync(channel, turn, message, stopping);
            await channel.BasicConsumeAsync(queue, autoAck: false, consumer, stopping);
        }

        _ready.TrySetResult();
        return await ended.Task.WaitAsync(stopping);
    }

    async Task TakeAsync(IChannel channel, SemaphoreSlim turn, BasicDeliverEventArgs message, CancellationToken stopping)
    {
        try
        {
            await channel.BasicAckAsync(message.DeliveryTag, multiple: false, stopping);
            var asked = message.BasicProperties;
            var answer = await AnswerAsync(Question.Read(message.RoutingKey, asked, message.Body), stopping);
            if (asked.CorrelationId is null or Nobody || asked.ReplyTo is not { Length: > 0 } to) return;
            var properties = new BasicProperties { ContentType = "application/json", CorrelationId = asked.CorrelationId };
            await turn.WaitAsync(stopping);
            try
            {
                await channel.BasicPublishAsync(at.ResponseExchange, to, mandatory: false, properties, answer.Json(asked.CorrelationId), CancellationToken.None).AsTask().WaitAsync(PublishedWithin, clock, stopping);
            }
            finally
            {
                turn.Release();
            }
        }
        catch (Exception e) when (BrokerLoop.IsAway(e))
        {
            // Whoever asked has lost the broker too, and knows.
        }
    }

    async Task<Answer> AnswerAsync(Question question, CancellationToken cancel)
    {
        try
        {
            return await service.AnswerAsync(question, cancel);
        }
        catch (Exception e) when (!cancel.IsCancellationRequested)
        {
            Failed(e, question.RoutingKey);
            return Answer.Error("InternalError", "Something of ours went wrong.");
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The microservice has no broker for the moment: {Reason}")]
    partial void Lost(string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "A request at {RoutingKey} failed.")]
    partial void Failed(Exception e, string routingKey);
}
