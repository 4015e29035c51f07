using FlatRender.Contracts;
using FlatRender.MessageAdapter;

namespace FlatRender.Gateway.Messages;

/// <summary>Where the answers to one socket arrive: an exclusive queue, named by a UUID v4, gone with the socket, the connection or this process.</summary>
sealed class ReplyQueue
{
    readonly HashSet<string> _hears = [""];

    ReplyQueue(BrokerLine line, string name) => (Line, Name) = (line, name);

    public BrokerLine Line { get; }
    public string Name { get; }

    /// <summary>Whether an answer through this exchange would arrive; every queue is known to the default one.</summary>
    public bool Hears(string exchange) => _hears.Contains(exchange);

    public static async Task<ReplyQueue> OpenAsync(BrokerLine line, Mailbox mail, CancellationToken cancel)
    {
        var queue = new ReplyQueue(line, Ids.New().ToString());
        await line.Replies.QueueDeclareAsync(queue.Name, durable: false, exclusive: true, autoDelete: true, cancellationToken: cancel);
        line.Add(queue.Name, mail);
        await line.Replies.BasicConsumeAsync(queue.Name, autoAck: true, consumerTag: queue.Name, noLocal: false, exclusive: true, arguments: null, line, cancel);
        return queue;
    }

    public async Task HearAsync(string exchange, CancellationToken cancel)
    {
        await Line.Replies.QueueBindAsync(Name, exchange, Name, cancellationToken: cancel);
        _hears.Add(exchange);
    }

    public async Task CloseAsync()
    {
        Line.Remove(Name);
        try
        {
            // Without its consumer the queue goes too.
            await Line.Replies.BasicCancelAsync(Name);
        }
        catch (Exception e) when (BrokerLoop.IsAway(e))
        {
            // It went with the connection.
        }
    }
}
