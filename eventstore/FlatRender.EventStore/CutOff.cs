using MassTransit;
using MassTransit.RabbitMqTransport;
using RabbitMQ.Client.Exceptions;

namespace FlatRender.EventStore;

/// <summary>
/// Keeps a delivery whose channel has gone from taking the whole connection with it. Where a consumer is done and cannot say so, its channel being closed, MassTransit (8.4) closes that channel once more, from
/// within the delivery; RabbitMQ.Client (7.1) waits in that close for its deliveries to end, this one among them, and the loop that reads the connection waits with it. Nothing is heard on the connection any
/// more, on no queue, while its heartbeats go on and the broker keeps what it has given out. Only this one kind of exception leads there; it goes on as another.
/// </summary>
sealed class CutOff : IReceiveObserver
{
    public Task ReceiveFault(ReceiveContext context, Exception exception) =>
        exception is OperationInterruptedException && context.TryGetPayload(out ChannelContext? channel) && channel.Channel.IsClosed
            ? Task.FromException(new TransportUnavailableException($"The channel of a message from {context.InputAddress} was closed before it was done: it comes again.", exception))
            : Task.CompletedTask;

    public Task PreReceive(ReceiveContext context) => Task.CompletedTask;

    public Task PostReceive(ReceiveContext context) => Task.CompletedTask;

    public Task PostConsume<T>(ConsumeContext<T> context, TimeSpan duration, string consumerType) where T : class => Task.CompletedTask;

    public Task ConsumeFault<T>(ConsumeContext<T> context, TimeSpan duration, string consumerType, Exception exception) where T : class => Task.CompletedTask;
}
