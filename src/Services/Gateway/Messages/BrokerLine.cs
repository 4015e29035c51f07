using System.Collections.Concurrent;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace FlatRender.Gateway.Messages;

/// <summary>A channel to publish on and a channel that hears the reply queues of its share of the sockets.</summary>
sealed class BrokerLine : IAsyncBasicConsumer
{
    readonly IConnection _connection;
    readonly SemaphoreSlim _turn = new(1);
    readonly ConcurrentDictionary<string, Mailbox> _mail = new();
    IChannel _out;

    BrokerLine(BrokerLink link, IConnection connection, IChannel replies, IChannel publish) => (Link, _connection, Replies, _out) = (link, connection, replies, publish);

    public BrokerLink Link { get; }
    public IChannel Replies { get; }
    public IChannel? Channel => Replies;

    public static async Task<BrokerLine> OpenAsync(BrokerLink link, IConnection connection, CancellationToken cancel)
    {
        var replies = await connection.CreateChannelAsync(cancellationToken: cancel);
        var line = new BrokerLine(link, connection, replies, await connection.CreateChannelAsync(cancellationToken: cancel));
        // Nothing that is done there may fail: without it no answer is heard.
        replies.ChannelShutdownAsync += (_, why) => link.End(why.ReplyText);
        line.Watch(line._out);
        return line;
    }

    public void Add(string queue, Mailbox mail) => _mail[queue] = mail;
    public void Remove(string queue) => _mail.TryRemove(queue, out _);

    public void FailAll(Func<MessageRoute, bool> which, string why)
    {
        foreach (var (_, mail) in _mail) mail.Fail(which, new(MessageError.ServiceUnavailable, why));
    }

    /// <exception cref="TimeoutException">The broker does not take it; the link is given up.</exception>
    public async ValueTask PublishAsync(string exchange, string routingKey, BasicProperties envelope, ReadOnlyMemory<byte> body, CancellationToken cancel)
    {
        if (!await _turn.WaitAsync(BrokerLink.PublishedWithin, cancel)) throw new TimeoutException();
        try
        {
            if (!_out.IsOpen) Watch(_out = await _connection.CreateChannelAsync(cancellationToken: cancel));
            // Not cancellable: a message half written would end the connection for all.
            var sent = _out.BasicPublishAsync(exchange, routingKey, mandatory: true, envelope, body, CancellationToken.None);
            if (!sent.IsCompletedSuccessfully) await sent.AsTask().WaitAsync(BrokerLink.PublishedWithin, Link.Clock, CancellationToken.None);
        }
        catch (TimeoutException)
        {
            await Link.End("a message was not taken in time");
            throw;
        }
        finally
        {
            _turn.Release();
        }
    }

    void Watch(IChannel channel)
    {
        channel.BasicReturnAsync += ReturnedAsync;
        channel.ChannelShutdownAsync += (_, why) =>
        {
            if (why.ReplyCode != Constants.NotFound) return why.Initiator == ShutdownInitiator.Application ? Task.CompletedTask : Link.End(why.ReplyText);
            // The exchange went away: the requests to it that were on their way are lost, and only they.
            Link.ForgetExchanges();
            FailAll(route => why.ReplyText.Contains($"'{route.Exchange}'", StringComparison.Ordinal), "Its service went away; whether it had the request is not known.");
            return Task.CompletedTask;
        };
    }

    /// <summary>No queue took it: nobody serves that route for the moment.</summary>
    Task ReturnedAsync(object channel, BasicReturnEventArgs back)
    {
        var name = back.BasicProperties.CorrelationId;
        if (back.BasicProperties.ReplyTo is { } queue && _mail.TryGetValue(queue, out var mail))
            mail.Return(name == Incoming.Nobody ? null : name, back.RoutingKey, new(MessageError.ServiceUnavailable, "Nobody serves this for the moment."));
        return Task.CompletedTask;
    }

    public Task HandleBasicDeliverAsync(string consumerTag, ulong deliveryTag, bool redelivered, string exchange, string routingKey, IReadOnlyBasicProperties properties, ReadOnlyMemory<byte> body, CancellationToken cancellationToken = default)
    {
        // A consumer has its queue's name.
        if (_mail.TryGetValue(consumerTag, out var mail)) mail.Deliver(properties.IsCorrelationIdPresent() ? properties.CorrelationId : null, body.Span);
        return Task.CompletedTask;
    }

    public Task HandleBasicConsumeOkAsync(string consumerTag, CancellationToken cancellationToken = default) => Task.CompletedTask;
    public Task HandleBasicCancelOkAsync(string consumerTag, CancellationToken cancellationToken = default) => Task.CompletedTask;

    /// <summary>The broker has taken the queue away: what waits there waits in vain, and the next request makes another.</summary>
    public Task HandleBasicCancelAsync(string consumerTag, CancellationToken cancellationToken = default)
    {
        if (!_mail.TryRemove(consumerTag, out var mail)) return Task.CompletedTask;
        mail.Address = null;
        mail.Fail(_ => true, new(MessageError.ServiceUnavailable, "The broker has closed the reply queue."));
        return Task.CompletedTask;
    }

    public Task HandleChannelShutdownAsync(object channel, ShutdownEventArgs reason) => Task.CompletedTask;
}
