using System.Diagnostics.Metrics;

namespace FlatRender.Gateway.Messages;

/// <summary>What went through this gateway's message sockets, counted for <c>/metrics</c>.</summary>
public sealed class MessageTally(TimeProvider clock)
{
    static readonly Meter Meter = new("FlatRender.Messages");
    static readonly Histogram<double> Seconds = Meter.CreateHistogram<double>("flatrender_message_seconds", "s", "From a request over a message socket to its answer.");
    static readonly Counter<long> Ended = Meter.CreateCounter<long>("flatrender_message_requests", description: "Requests over message sockets, by route and how they ended.");
    static readonly Counter<long> Refused = Meter.CreateCounter<long>("flatrender_message_refusals", description: "Messages that went nowhere, by error.");
    static readonly Counter<long> Dropped = Meter.CreateCounter<long>("flatrender_message_replies_dropped", description: "Answers that nobody waited for: a second one, or one that came too late.");

    long _dropped;

    /// <summary>Answers that nobody waited for.</summary>
    public long DroppedReplies => Volatile.Read(ref _dropped);

    internal void End(MessageRoute route, string how, long since)
    {
        Ended.Add(1, new("url", route.Url), new("how", how));
        Seconds.Record(clock.GetElapsedTime(since).TotalSeconds);
    }

    internal void Refuse(MessageError error) => Refused.Add(1, new KeyValuePair<string, object?>("type", error.Type));

    internal void Drop()
    {
        Interlocked.Increment(ref _dropped);
        Dropped.Add(1);
    }

    /// <param name="meters">Of the hub's own host: a meter of the process would keep the hub of every host that ever was.</param>
    internal static void Watch(MessageHub hub, IMeterFactory meters)
    {
        var meter = meters.Create(Meter.Name);
        meter.CreateObservableGauge("flatrender_message_sockets", () => hub.Sockets, description: "Message sockets open.");
        meter.CreateObservableGauge("flatrender_message_in_flight", () => hub.InFlight, description: "Requests over message sockets that wait for their answer.");
    }
}
