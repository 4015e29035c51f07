using FlatRender.EventStore;
using FlatRender.Foundation;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using RabbitMQ.Client.Exceptions;

namespace FlatRender.Gateway.Messages;

/// <summary>
/// Requests over RabbitMQ. While the broker is away every request is refused at once; when it is back, a socket's next request makes it a new reply queue: the old one
/// went with its connection, and with it what was under way.
/// </summary>
sealed partial class BrokerCarrier(Deployment deployment, MessageRoutes routes, TimeProvider clock, ILogger<BrokerCarrier> log) : BackgroundService, ICarrier
{
    static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(100), LongestPause = TimeSpan.FromSeconds(2);
    static readonly MessageError Away = new(MessageError.ServiceUnavailable, "The broker is away for the moment.");

    volatile BrokerLink? _link;

    protected override async Task ExecuteAsync(CancellationToken stopping)
    {
        if (deployment.InMemory) return;
        var brokers = Brokers.Of(deployment.Broker);
        var pause = FirstPause;
        for (var tries = 0; !stopping.IsCancellationRequested; tries++)
        {
            try
            {
                await using var link = await BrokerLink.OpenAsync(brokers[tries % brokers.Count], routes.Plan.ResponseExchanges, clock, stopping);
                _link = link;
                pause = FirstPause;
                Lost(await link.Ended.WaitAsync(stopping));
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (BrokerLink.IsAway(e))
            {
                if (pause == FirstPause) Unreachable(e.Message);
                pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
            }
            finally
            {
                _link = null;
            }

            await Task.Delay(pause, clock, stopping).ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        }
    }

    public async ValueTask<MessageError?> CarryAsync(Mailbox from, MessageAsked asked, CancellationToken cancel)
    {
        if (_link is not { IsBlocked: false } link) return Away;
        try
        {
            return await link.CarryAsync(from, asked, cancel);
        }
        catch (Exception e) when (BrokerLink.IsAway(e))
        {
            return Away;
        }
    }

    public async ValueTask LeaveAsync(Mailbox from)
    {
        if (from.Address is ReplyQueue queue) await queue.CloseAsync();
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The message gateway has lost the broker: {Reason}")]
    partial void Lost(string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The message gateway does not reach the broker; it goes on trying. {Reason}")]
    partial void Unreachable(string reason);
}
