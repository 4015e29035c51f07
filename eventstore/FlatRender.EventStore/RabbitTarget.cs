using System.Text;
using MassTransit;
using RabbitMQ.Client;

namespace FlatRender.EventStore;

/// <summary>Brings facts to RabbitMQ's topic exchange, for readers in any language: routing key = wire name, body = the fact's JSON, confirmed. What is stored in an old shape is told in today's.</summary>
public sealed class RabbitTarget : IFactTarget, IAsyncDisposable
{
    public const string Exchange = "flatrender.events";

    readonly EventStoreOptions _options;
    readonly RabbitLine _line;

    public RabbitTarget(EventStoreOptions options, TimeProvider clock)
    {
        _options = options;
        _line = new(options, "flatrender relay", DeclareAsync, clock);
    }

    public Task ReadyAsync(CancellationToken cancel) => _line.ReadyAsync(cancel);

    public Task PublishAsync(IReadOnlyList<RecordedEvent> facts, CancellationToken cancel) =>
        _line.PublishAsync(facts.Select(fact =>
        {
            var (name, data) = _options.Vocabulary.Today(fact.Type, fact.Data);
            return new Letter(Exchange, name, Properties(fact, name), Encoding.UTF8.GetBytes(data));
        }), cancel);

    BasicProperties Properties(RecordedEvent fact, string name)
    {
        var properties = RabbitMessages.Properties(_options.Vocabulary, name, fact.EventId, fact.StreamId, fact.Header("trace"));
        properties.Timestamp = new AmqpTimestamp(fact.Timestamp.ToUnixTimeSeconds());
        properties.Headers!["type"] = name;
        properties.Headers["version"] = fact.Version;
        properties.Headers["seq_id"] = fact.Seq;
        return properties;
    }

    // From the topic on to the exchange where MassTransit binds its consumers of this type: they need not know where facts come from.
    async Task DeclareAsync(IChannel channel, CancellationToken cancel)
    {
        await channel.ExchangeDeclareAsync(Exchange, ExchangeType.Topic, durable: true, cancellationToken: cancel);
        foreach (var name in _options.Vocabulary.Names.Where(n => !RabbitMessages.IsOfAgenda(n)))
            await channel.ExchangeBindAsync(await RabbitMessages.DeclareAsync(channel, _options.Vocabulary, name, cancel), Exchange, name, cancellationToken: cancel);
    }

    public ValueTask DisposeAsync() => _line.DisposeAsync();
}
