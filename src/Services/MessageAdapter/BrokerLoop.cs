using RabbitMQ.Client.Exceptions;

namespace FlatRender.MessageAdapter;

/// <summary>Works over one connection to the broker after the other, for as long as the process runs.</summary>
public static class BrokerLoop
{
    static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(100), LongestPause = TimeSpan.FromSeconds(2);

    /// <summary>Failures that say no more than that the broker, or the way to it, is not there.</summary>
    public static bool IsAway(Exception e) => e is RabbitMQClientException or IOException or ObjectDisposedException or TimeoutException or OperationCanceledException or System.Net.Sockets.SocketException
        // The client's own way to its socket, when that has just been closed.
        or System.Threading.Channels.ChannelClosedException;

    /// <param name="brokers">Any of them will do.</param>
    /// <param name="work">Connects, works until the connection is over, and says why it was.</param>
    /// <param name="tell">Told of each end, and once of each time that it cannot be reached.</param>
    public static async Task RunAsync(IReadOnlyList<Uri> brokers, Func<Uri, CancellationToken, Task<string>> work, Action<string> tell, TimeProvider clock, CancellationToken stopping)
    {
        var pause = FirstPause;
        try
        {
            for (var tries = 0; ; tries++)
            {
                try
                {
                    tell(await work(brokers[tries % brokers.Count], stopping));
                    pause = FirstPause;
                }
                catch (Exception e) when (IsAway(e) && !stopping.IsCancellationRequested)
                {
                    if (pause == FirstPause) tell(e.Message);
                    pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
                }

                await Task.Delay(pause, clock, stopping);
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // The process ends.
        }
    }
}
