using System.Diagnostics;
using FlatRender.Contracts;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;

namespace FlatRender.EventStore;

/// <summary>Where the relay brings facts.</summary>
public interface IFactTarget
{
    /// <summary>Returns when facts can be taken without being lost.</summary>
    Task ReadyAsync(CancellationToken cancel);

    /// <summary>Returns when every one of the facts has been taken over, in order.</summary>
    Task PublishAsync(IReadOnlyList<RecordedEvent> facts, CancellationToken cancel);
}

/// <summary>Brings facts, typed, to the MassTransit bus of this process.</summary>
public sealed class BusTarget(EventStoreOptions options, IServiceProvider services, Tally tally) : IFactTarget
{
    static readonly ActivitySource Source = new("FlatRender.EventStore");

    public async Task ReadyAsync(CancellationToken cancel) => await services.GetRequiredService<IBusControl>().WaitForHealthStatus(BusHealthStatus.Healthy, cancel);

    public async Task PublishAsync(IReadOnlyList<RecordedEvent> facts, CancellationToken cancel)
    {
        var bus = services.GetRequiredService<IBus>();
        foreach (var fact in facts)
        {
            // A type this build does not know has no consumer in this process either.
            if (!options.Vocabulary.Knows(fact.Type)) tally.UnknownWord();
            else await PublishAsync(bus, fact, cancel);
        }
    }

    async Task PublishAsync(IBus bus, RecordedEvent fact, CancellationToken cancel)
    {
        using var activity = Source.StartActivity(fact.Type, ActivityKind.Producer, Source.HasListeners() ? fact.Header("trace") : null);
        await bus.Publish(fact.Fact(options.Vocabulary), options.Vocabulary.TypeOf(fact.Type), Pipe.Execute<PublishContext>(p =>
        {
            p.MessageId = fact.EventId;
            p.CorrelationId = fact.StreamId;
            p.Headers.Set("stream_id", fact.StreamId.ToString());
            p.Headers.Set("version", fact.Version.ToString());
            p.Headers.Set("seq_id", fact.Seq.ToString());
        }), cancel);
    }
}
