using System.Collections.Concurrent;
using FlatRender.EventStore;
using FlatRender.MessageAdapter;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;

namespace FlatRender.Gateway.Messages;

/// <summary>One connection to the broker, from its opening to its end. It is not mended: another takes its place.</summary>
sealed class BrokerLink : IAsyncDisposable
{
    /// <summary>The client may wait for ever for a broker that went away in the middle of a publish.</summary>
    public static readonly TimeSpan PublishedWithin = TimeSpan.FromSeconds(5);

    /// <summary>Each takes its share of the sockets: a channel does one thing at a time. More than a processor or two can serve only wake each other.</summary>
    static readonly int Lines = Math.Clamp(Environment.ProcessorCount / 2, 1, 4);

    readonly IConnection _connection;
    readonly TaskCompletionSource<string> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    readonly ConcurrentDictionary<string, byte> _exchanges = new();
    readonly BrokerLine[] _lines = new BrokerLine[Lines];
    int _next;
    volatile bool _blocked;

    BrokerLink(IConnection connection, TimeProvider clock)
    {
        (_connection, Clock) = (connection, clock);
        connection.ConnectionShutdownAsync += (_, why) => End($"{why.ReplyCode} {why.ReplyText}");
        connection.ConnectionBlockedAsync += (_, _) => Block(true);
        connection.ConnectionUnblockedAsync += (_, _) => Block(false);
    }

    public TimeProvider Clock { get; }

    /// <summary>The broker takes no messages for the moment: it is short of memory or disk.</summary>
    public bool IsBlocked => _blocked;

    /// <summary>Why it ended.</summary>
    public Task<string> Ended => _ended.Task;

    public static async Task<BrokerLink> OpenAsync(Uri broker, IEnumerable<string> responseExchanges, TimeProvider clock, CancellationToken cancel)
    {
        var factory = new ConnectionFactory { Uri = broker, AutomaticRecoveryEnabled = false, RequestedHeartbeat = TimeSpan.FromSeconds(10), RequestedConnectionTimeout = TimeSpan.FromSeconds(10), ClientProvidedName = "flatrender messages" };
        BrokerSocket.UseIn(factory);
        var link = new BrokerLink(await factory.CreateConnectionAsync(cancel), clock);
        try
        {
            foreach (var exchange in responseExchanges) await link.EnsureResponsesAsync(exchange, cancel);
            for (var i = 0; i < Lines; i++) link._lines[i] = await BrokerLine.OpenAsync(link, link._connection, cancel);
            return link;
        }
        catch
        {
            await link.DisposeAsync();
            throw;
        }
    }

    public async ValueTask<MessageError?> CarryAsync(Mailbox from, MessageAsked asked, CancellationToken cancel)
    {
        var route = asked.Route;
        if (!await IsThereAsync(route.Exchange, cancel)) return new(MessageError.ServiceUnavailable, $"Nobody serves {asked.Url} for the moment.");
        if (from.Address is not ReplyQueue queue || queue.Line.Link != this)
            from.Address = queue = await ReplyQueue.OpenAsync(_lines[(uint)Interlocked.Increment(ref _next) % Lines], from, cancel);
        if (!queue.Hears(route.ResponseExchange))
        {
            await EnsureResponsesAsync(route.ResponseExchange, cancel);
            await queue.HearAsync(route.ResponseExchange, cancel);
        }

        await queue.Line.PublishAsync(route.Exchange, route.RoutingKey, Envelope(asked, queue.Name), asked.Content, cancel);
        return null;
    }

    static BasicProperties Envelope(MessageAsked asked, string replyTo) => new()
    {
        ContentType = "application/json",
        DeliveryMode = DeliveryModes.Persistent,
        ReplyTo = replyTo,
        CorrelationId = asked.EventName ?? Incoming.Nobody,
        Expiration = asked.Route.Expiration,
        Headers = Headers(asked),
    };

    static Dictionary<string, object?> Headers(MessageAsked asked)
    {
        var (route, caller) = (asked.Route, asked.Caller);
        var permissions = Grants.Of(caller?.Permissions ?? []);
        var user = caller?.UserId.ToString() ?? "";
        var headers = new Dictionary<string, object?>(4);
        if (route.Dialect is Dialect.Om or Dialect.Both)
        {
            headers["om_routing_key"] = route.RoutingKey;
            headers["om_request_url"] = asked.Url;
            headers["om_permissions"] = string.Join(';', permissions);
            headers["om_user_id"] = user;
        }

        if (route.Dialect is Dialect.Legacy or Dialect.Both)
        {
            headers["microservice_name"] = route.Microservice;
            headers["request_url"] = asked.Url;
            headers["permissions"] = string.Join(',', permissions);
            headers["user_id"] = user;
        }

        if (route.TellsTenant) headers["om_tenant_id"] = caller?.TenantId.ToString() ?? "";
        return headers;
    }

    /// <summary>A publish to an exchange that is not there would end its channel: it is asked for first, on a channel that may end.</summary>
    async ValueTask<bool> IsThereAsync(string exchange, CancellationToken cancel)
    {
        if (exchange.Length == 0 || _exchanges.ContainsKey(exchange)) return true;
        try
        {
            await using var channel = await _connection.CreateChannelAsync(cancellationToken: cancel);
            await channel.ExchangeDeclarePassiveAsync(exchange, cancel);
            _exchanges[exchange] = 0;
            return true;
        }
        catch (OperationInterruptedException e) when (e.ShutdownReason?.ReplyCode == Constants.NotFound)
        {
            return false;
        }
    }

    /// <summary>As it is, where somebody has made it; else durable and direct, for the services to answer through.</summary>
    async Task EnsureResponsesAsync(string exchange, CancellationToken cancel)
    {
        if (await IsThereAsync(exchange, cancel)) return;
        await using var channel = await _connection.CreateChannelAsync(cancellationToken: cancel);
        await channel.ExchangeDeclareAsync(exchange, ExchangeType.Direct, durable: true, cancellationToken: cancel);
    }

    /// <summary>An exchange went while it was used.</summary>
    public void ForgetExchanges() => _exchanges.Clear();

    public Task End(string why)
    {
        if (!_ended.TrySetResult(why)) return Task.CompletedTask;
        foreach (var line in _lines) line?.FailAll(_ => true, "The broker went away; whether the service had the request is not known.");
        return Task.CompletedTask;
    }

    Task Block(bool so)
    {
        _blocked = so;
        return Task.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await End("closed");
        try
        {
            await _connection.CloseAsync(200, "good-bye", TimeSpan.FromSeconds(2), abort: true, CancellationToken.None);
            await _connection.DisposeAsync();
        }
        catch (Exception e) when (BrokerLoop.IsAway(e))
        {
            // It had gone already.
        }
    }
}
