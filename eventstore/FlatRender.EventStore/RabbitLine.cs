using RabbitMQ.Client;

namespace FlatRender.EventStore;

/// <summary>One message as RabbitMQ takes it.</summary>
readonly record struct Letter(string Exchange, string RoutingKey, BasicProperties Properties, ReadOnlyMemory<byte> Body);

/// <summary>
/// A connection to RabbitMQ of which the only use is publishing with confirms. Nothing is consumed on it: the client ends a connection by waiting for its consumers one after the other, and one that itself
/// waits for a confirm on that connection would wait for ever.
/// </summary>
/// <param name="declare">What must be there before anything is published; done once on each connection.</param>
sealed class RabbitLine(EventStoreOptions options, string name, Func<IChannel, CancellationToken, Task> declare, TimeProvider clock) : IAsyncDisposable
{
    /// <summary>A client may wait for ever for a broker that went away in the middle of a publish.</summary>
    static readonly TimeSpan ConfirmedWithin = TimeSpan.FromSeconds(15);

    static readonly TimeSpan ClosedWithin = TimeSpan.FromSeconds(1);

    readonly SemaphoreSlim _one = new(1);
    Line? _line;
    int _tries;

    sealed record Line(IConnection Connection, IChannel Channel);

    public async Task ReadyAsync(CancellationToken cancel) => await OpenAsync(cancel);

    /// <summary>Sends in order and returns when all are confirmed. When it throws, nobody knows what arrived; the next call begins on a new connection.</summary>
    public async Task PublishAsync(IEnumerable<Letter> letters, CancellationToken cancel)
    {
        var line = await OpenAsync(cancel);
        try
        {
            // Without the token: a publish given up half-way puts the client's confirms out of count.
            var confirmed = letters.Select(l => line.Channel.BasicPublishAsync(l.Exchange, l.RoutingKey, mandatory: false, l.Properties, l.Body, CancellationToken.None).AsTask()).ToArray();
            await Task.WhenAll(confirmed).WaitAsync(ConfirmedWithin, clock, cancel);
        }
        catch (Exception) when (!cancel.IsCancellationRequested)
        {
            await DropAsync(line);
            throw;
        }
    }

    async Task<Line> OpenAsync(CancellationToken cancel)
    {
        if (_line is { Channel.IsOpen: true } open) return open;
        await _one.WaitAsync(cancel);
        try
        {
            if (_line is { Channel.IsOpen: true } opened) return opened;
            if (_line is { } dead) await CloseAsync(dead);
            _line = null;
            return _line = await ConnectAsync(cancel);
        }
        finally
        {
            _one.Release();
        }
    }

    async Task<Line> ConnectAsync(CancellationToken cancel)
    {
        var brokers = Brokers.Of(options.Broker);
        // No recovery of its own: who publishes knows what was confirmed. The next node where there are several.
        var factory = new ConnectionFactory { Uri = brokers[_tries++ % brokers.Count], AutomaticRecoveryEnabled = false, RequestedConnectionTimeout = ConfirmedWithin, ClientProvidedName = name };
        BrokerSocket.UseIn(factory);
        var connection = await factory.CreateConnectionAsync(cancel);
        try
        {
            var channel = await connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true, outstandingPublisherConfirmationsRateLimiter: null), cancel);
            await declare(channel, cancel);
            return new(connection, channel);
        }
        catch
        {
            await CloseAsync(connection);
            throw;
        }
    }

    // Others may have failed on the same line and have a new one already.
    async Task DropAsync(Line line)
    {
        if (Interlocked.CompareExchange(ref _line, null, line) == line) await CloseAsync(line);
    }

    static async Task CloseAsync(Line line)
    {
        await CloseAsync(line.Connection);
        await line.Channel.DisposeAsync();
    }

    static async Task CloseAsync(IConnection connection)
    {
        await connection.AbortAsync(ClosedWithin);
        await connection.DisposeAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (_line is { } line) await DropAsync(line);
        _one.Dispose();
    }
}
