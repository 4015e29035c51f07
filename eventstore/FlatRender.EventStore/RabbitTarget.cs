using System.Text;
using RabbitMQ.Client;

namespace FlatRender.EventStore;

/// <summary>Brings facts to RabbitMQ's topic exchange, for readers in any language: routing key = wire name, body = the fact's JSON, confirmed.</summary>
public sealed class RabbitTarget(EventStoreOptions options) : IFactTarget, IAsyncDisposable
{
    public const string Exchange = "flatrender.events";

    IConnection? _connection;
    IChannel? _channel;

    public async Task ReadyAsync(CancellationToken cancel) => await ChannelAsync(cancel);

    public async Task PublishAsync(IReadOnlyList<RecordedEvent> facts, CancellationToken cancel)
    {
        var channel = await ChannelAsync(cancel);
        var confirmed = new List<Task>(facts.Count);
        // Sent in order; a confirm is awaited when all are on their way.
        foreach (var fact in facts) confirmed.Add(channel.BasicPublishAsync(Exchange, fact.Type, mandatory: false, Properties(fact), Encoding.UTF8.GetBytes(fact.Data), cancel).AsTask());
        await Task.WhenAll(confirmed);
    }

    BasicProperties Properties(RecordedEvent fact)
    {
        var headers = new Dictionary<string, object?>
        {
            ["type"] = fact.Type,
            ["stream_id"] = fact.StreamId.ToString(),
            ["version"] = fact.Version,
            ["seq_id"] = fact.Seq,
        };
        if (fact.Header("trace") is { } trace) headers["trace"] = trace;
        return new BasicProperties
        {
            MessageId = fact.EventId.ToString(),
            CorrelationId = fact.StreamId.ToString(),
            Type = fact.Type,
            ContentType = "application/json",
            DeliveryMode = DeliveryModes.Persistent,
            Timestamp = new AmqpTimestamp(fact.Timestamp.ToUnixTimeSeconds()),
            Headers = headers,
        };
    }

    async Task<IChannel> ChannelAsync(CancellationToken cancel)
    {
        if (_channel is { IsOpen: true }) return _channel;
        await DisposeAsync();
        // No recovery of its own: after a cut the relay begins again at its stored position, on a new connection.
        var factory = new ConnectionFactory { Uri = options.Amqp, AutomaticRecoveryEnabled = false, ClientProvidedName = "flatrender relay" };
        _connection = await factory.CreateConnectionAsync(cancel);
        _channel = await _connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true, outstandingPublisherConfirmationsRateLimiter: null), cancel);
        await _channel.ExchangeDeclareAsync(Exchange, ExchangeType.Topic, durable: true, cancellationToken: cancel);
        return _channel;
    }

    public async ValueTask DisposeAsync()
    {
        if (_channel is not null) await _channel.DisposeAsync();
        if (_connection is not null) await _connection.DisposeAsync();
        (_channel, _connection) = (null, null);
    }
}
