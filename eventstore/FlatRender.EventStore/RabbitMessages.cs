using FlatRender.Contracts;
using MassTransit;
using MassTransit.Logging;
using RabbitMQ.Client;

namespace FlatRender.EventStore;

/// <summary>How the store's words look on RabbitMQ so that MassTransit's consumers take them: raw JSON, the type named in a header, to the exchange of that type.</summary>
static class RabbitMessages
{
    /// <summary>Asks and reminders are named for the agenda only; all else are facts.</summary>
    public static bool IsOfAgenda(string name) => name.StartsWith("ask.", StringComparison.Ordinal) || name.StartsWith("remind.", StringComparison.Ordinal);

    /// <summary>Where MassTransit binds the consumers of a type.</summary>
    public static string ExchangeOf(Type type) => $"{type.Namespace}:{type.Name}";

    /// <returns>The exchange.</returns>
    public static async Task<string> DeclareAsync(IChannel channel, Vocabulary vocabulary, string name, CancellationToken cancel)
    {
        var exchange = ExchangeOf(vocabulary.TypeOf(name));
        await channel.ExchangeDeclareAsync(exchange, ExchangeType.Fanout, durable: true, cancellationToken: cancel);
        return exchange;
    }

    public static BasicProperties Properties(Vocabulary vocabulary, string name, Guid messageId, Guid streamId, string? trace)
    {
        var headers = new Dictionary<string, object?> { ["stream_id"] = streamId.ToString() };
        if (vocabulary.Knows(name)) headers[MessageHeaders.MessageType] = MessageUrn.ForTypeString(vocabulary.TypeOf(name));
        if (trace is not null)
        {
            headers["trace"] = trace;
            headers[DiagnosticHeaders.ActivityId] = trace;
        }

        return new BasicProperties
        {
            MessageId = messageId.ToString(),
            CorrelationId = streamId.ToString(),
            Type = name,
            ContentType = "application/json",
            DeliveryMode = DeliveryModes.Persistent,
            Headers = headers,
        };
    }
}
