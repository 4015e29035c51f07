using FlatRender.EventStore;
using FlatRender.Foundation;
using FlatRender.MessageAdapter;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace FlatRender.Gateway.Messages;

/// <summary>
/// Requests over RabbitMQ. While the broker is away every request is refused at once; when it is back, a socket's next request makes it a new reply queue: the old one
/// went with its connection, and with it what was under way.
/// </summary>
sealed partial class BrokerCarrier(Deployment deployment, MessageRoutes routes, TimeProvider clock, ILogger<BrokerCarrier> log) : BackgroundService, ICarrier
{
    static readonly MessageError Away = new(MessageError.ServiceUnavailable, "The broker is away for the moment.");

    volatile BrokerLink? _link;

    protected override Task ExecuteAsync(CancellationToken stopping) => deployment.InMemory ? Task.CompletedTask : BrokerLoop.RunAsync(Brokers.Of(deployment.Broker), LinkAsync, Lost, clock, stopping);

    async Task<string> LinkAsync(Uri broker, CancellationToken stopping)
    {
        await using var link = await BrokerLink.OpenAsync(broker, routes.Plan.ResponseExchanges, clock, stopping);
        _link = link;
        try
        {
            return await link.Ended.WaitAsync(stopping);
        }
        finally
        {
            _link = null;
        }
    }

    public async ValueTask<MessageError?> CarryAsync(Mailbox from, MessageAsked asked, CancellationToken cancel)
    {
        if (_link is not { IsBlocked: false } link) return Away;
        try
        {
            return await link.CarryAsync(from, asked, cancel);
        }
        catch (Exception e) when (BrokerLoop.IsAway(e))
        {
            return Away;
        }
    }

    public async ValueTask LeaveAsync(Mailbox from)
    {
        if (from.Address is ReplyQueue queue) await queue.CloseAsync();
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The message gateway has no broker for the moment: {Reason}")]
    partial void Lost(string reason);
}
