using System.Text;
using RabbitMQ.Client;

namespace FlatRender.EventStore;

/// <summary>Brings facts to RabbitMQ's topic exchange, for readers in any language: routing key = wire name, body = the fact's JSON, confirmed.</summary>
public sealed class RabbitTarget(EventStoreOptions options, TimeProvider clock) : IFactTarget, IAsyncDisposable
{
    public const string Exchange = "flatrender.events";

    /// <summary>The client may wait for ever for a broker that went away in the middle of a publish.</summary>
    static readonly TimeSpan ConfirmedWithin = TimeSpan.FromSeconds(15);

    IConnection? _connection;
    IChannel? _channel;
    int _tries;

    public async Task ReadyAsync(CancellationToken cancel) => await ChannelAsync(cancel);

    public async Task PublishAsync(IReadOnlyList<RecordedEvent> facts, CancellationToken cancel)
    {
        try
        {
            var channel = await ChannelAsync(cancel);
            var confirmed = new List<Task>(facts.Count);
            // Sent in order; confirms are awaited when all are on their way.
            foreach (var fact in facts) confirmed.Add(channel.BasicPublishAsync(Exchange, fact.Type, mandatory: false, Properties(fact), Encoding.UTF8.GetBytes(fact.Data), cancel).AsTask());
            await Task.WhenAll(confirmed).WaitAsync(ConfirmedWithin, clock, cancel);
        }
        catch
        {
            // Nobody knows what arrived: begin anew, on a new connection, where the position stands.
            await DisposeAsync();
            throw;
        }
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
        if (options.Vocabulary.Knows(fact.Type)) headers["MT-MessageType"] = MassTransit.MessageUrn.ForTypeString(options.Vocabulary.TypeOf(fact.Type));
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

    /// <summary>From the topic on to the exchange where MassTransit binds its consumers of this type: they need not know where facts come from.</summary>
    static async Task PassOnAsync(IChannel channel, string name, Type type, CancellationToken cancel)
    {
        var to = $"{type.Namespace}:{type.Name}";
        await channel.ExchangeDeclareAsync(to, ExchangeType.Fanout, durable: true, cancellationToken: cancel);
        await channel.ExchangeBindAsync(to, Exchange, name, cancellationToken: cancel);
    }

    /// <summary>Asks and reminders are named for the agenda only.</summary>
    IEnumerable<(string Name, Type Type)> Facts => options.Vocabulary.Names
        .Where(n => !n.StartsWith("ask.", StringComparison.Ordinal) && !n.StartsWith("remind.", StringComparison.Ordinal))
        .Select(n => (n, options.Vocabulary.TypeOf(n)));

    async Task<IChannel> ChannelAsync(CancellationToken cancel)
    {
        if (_channel is { IsOpen: true }) return _channel;
        await DisposeAsync();
        var brokers = Brokers.Of(options.Broker);
        // No recovery of its own: after a cut the relay begins again at its stored position, on a new connection, to the next node where there are several.
        var factory = new ConnectionFactory { Uri = brokers[_tries++ % brokers.Count], AutomaticRecoveryEnabled = false, RequestedConnectionTimeout = ConfirmedWithin, ClientProvidedName = "flatrender relay" };
        _connection = await factory.CreateConnectionAsync(cancel);
        _channel = await _connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true, outstandingPublisherConfirmationsRateLimiter: null), cancel);
        await _channel.ExchangeDeclareAsync(Exchange, ExchangeType.Topic, durable: true, cancellationToken: cancel);
        foreach (var (name, type) in Facts) await PassOnAsync(_channel, name, type, cancel);
        return _channel;
    }

    public async ValueTask DisposeAsync()
    {
        if (_channel is not null) await _channel.DisposeAsync();
        if (_connection is not null) await _connection.DisposeAsync();
        (_channel, _connection) = (null, null);
    }
}
