using System.Globalization;
using MassTransit;
using MassTransit.Middleware;
using MassTransit.RabbitMqTransport;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace FlatRender.Host;

/// <summary>
/// The one place where messages lie that nobody could take in. Declared before anything can need it, for a broker drops what has nowhere to go; MassTransit's own
/// error queues would be one for each queue, each with its queue's limits, and bring what they refuse back to themselves.
/// </summary>
sealed class DeadLetters(ServeOptions options) : IHostedService, IAsyncDisposable
{
    public const string Name = "flatrender.dead";

    const int LongestTrace = 4000;

    readonly SemaphoreSlim _one = new(1);
    IConnection? _connection;
    IChannel? _channel;

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await using var connection = await OpenAsync(options.Deployment.Broker, cancellationToken);
        await using var channel = await connection.CreateChannelAsync(cancellationToken: cancellationToken);
        await DeclareAsync(channel, cancellationToken);
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>What an endpoint does with messages that failed for good, and with those that nobody there knows.</summary>
    public void Take(IReceivePipelineConfigurator endpoint)
    {
        endpoint.ConfigureError(pipe =>
        {
            // Whoever waits for an answer hears of it.
            pipe.UseFilter(new GenerateFaultFilter());
            pipe.UseFilter(new Keep<ExceptionReceiveContext>(this, context => (context.Exception, context.ExceptionTimestamp)));
        });
        endpoint.ConfigureDeadLetter(pipe => pipe.UseFilter(new Keep<ReceiveContext>(this, _ => null)));
    }

    sealed class Keep<T>(DeadLetters letters, Func<T, (Exception Failure, DateTime At)?> why) : IFilter<T> where T : class, ReceiveContext
    {
        // Not kept, not taken: then the broker gives it out again.
        public Task Send(T context, IPipe<T> next) => letters.KeepAsync(context, why(context));

        public void Probe(ProbeContext context) => context.CreateFilterScope("dead letters");
    }

    async Task KeepAsync(ReceiveContext context, (Exception Failure, DateTime At)? why)
    {
        var properties = context.TryGetPayload<RabbitMqBasicConsumeContext>(out var message) ? new BasicProperties(message.Properties) : new BasicProperties();
        var headers = properties.Headers = new Dictionary<string, object?>(properties.Headers ?? new Dictionary<string, object?>());
        headers["MT-Fault-InputAddress"] = context.InputAddress.ToString();
        headers["MT-Reason"] = why is null ? "dead-letter" : "fault";
        if (why is var (failure, at))
        {
            var inmost = failure.GetBaseException();
            headers["MT-Fault-ExceptionType"] = inmost.GetType().FullName;
            headers["MT-Fault-Message"] = inmost.Message;
            headers["MT-Fault-StackTrace"] = failure.ToString() is { Length: > LongestTrace } trace ? trace[..LongestTrace] : failure.ToString();
            headers["MT-Fault-Timestamp"] = at.ToString("O", CultureInfo.InvariantCulture);
        }

        properties.DeliveryMode = DeliveryModes.Persistent;
        await _one.WaitAsync(context.CancellationToken);
        try
        {
            var channel = await ChannelAsync(context.CancellationToken);
            await channel.BasicPublishAsync(Name, "", mandatory: true, properties, context.Body.GetBytes(), context.CancellationToken);
        }
        catch (OperationInterruptedException e)
        {
            // Our own channel, not that of the message; MassTransit would take the one for the other.
            throw new TransportUnavailableException("The dead letters cannot be reached.", e);
        }
        finally
        {
            _one.Release();
        }
    }

    async Task<IChannel> ChannelAsync(CancellationToken cancel)
    {
        if (_channel is { IsOpen: true }) return _channel;
        await DisposeAsync();
        _connection = await OpenAsync(options.Deployment.Broker, cancel);
        _channel = await _connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true), cancel);
        await DeclareAsync(_channel, cancel);
        return _channel;
    }

    public static async Task DeclareAsync(IChannel channel, CancellationToken cancel)
    {
        await channel.ExchangeDeclareAsync(Name, ExchangeType.Fanout, durable: true, cancellationToken: cancel);
        await channel.QueueDeclareAsync(Name, durable: true, exclusive: false, autoDelete: false, new Dictionary<string, object?> { ["x-queue-type"] = "quorum" }, cancellationToken: cancel);
        await channel.QueueBindAsync(Name, Name, "", cancellationToken: cancel);
    }

    /// <summary>The first of the broker's nodes that answers.</summary>
    /// <exception cref="BrokerUnreachableException">None does.</exception>
    public static async Task<IConnection> OpenAsync(string broker, CancellationToken cancel)
    {
        BrokerUnreachableException? last = null;
        foreach (var node in EventStore.Brokers.Of(broker))
        {
            try
            {
                return await new ConnectionFactory { Uri = node, AutomaticRecoveryEnabled = false, ClientProvidedName = "flatrender dead letters" }.CreateConnectionAsync(cancel);
            }
            catch (BrokerUnreachableException e)
            {
                last = e;
            }
        }
        throw last!;
    }

    public async ValueTask DisposeAsync()
    {
        if (_channel is not null) await _channel.DisposeAsync();
        if (_connection is not null) await _connection.DisposeAsync();
        (_channel, _connection) = (null, null);
    }
}
