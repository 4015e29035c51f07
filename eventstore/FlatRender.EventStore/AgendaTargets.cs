using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text;
using FlatRender.Contracts;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using RabbitMQ.Client;

namespace FlatRender.EventStore;

/// <summary>A row of the agenda that is due.</summary>
/// <param name="Data">The message's wire JSON.</param>
public sealed record Sending(long Id, Guid StreamId, string Type, string Data, string Kind, string? Trace, string? Actor)
{
    /// <summary>The same each time the row is sent.</summary>
    public Guid MessageId => Ids.Derived(StreamId, $"agenda {Id}");
}

/// <summary>Where the agenda brings what is due.</summary>
public interface IAgendaTarget
{
    /// <summary>What is on its way and not consumed, where sending alone does not make it safe.</summary>
    internal InFlight? InFlight { get; }

    /// <summary>Returns when messages reach somebody.</summary>
    Task ReadyAsync(CancellationToken cancel);

    /// <param name="message">What <see cref="Sending.Data"/> says, where the caller has it.</param>
    /// <returns>When it has been taken over.</returns>
    Task SendAsync(Sending sending, object? message, CancellationToken cancel);
}

/// <summary>Brings messages to the MassTransit bus in this process's memory.</summary>
sealed class BusAgenda(EventStoreOptions options, IServiceProvider services, Wake wake, TimeProvider clock) : IAgendaTarget
{
    static readonly ConcurrentDictionary<Type, bool> SaidOnce = [];

    readonly InFlight _inFlight = new(wake, clock);
    ConnectHandle? _observing;

    public InFlight? InFlight => _inFlight;

    public async Task ReadyAsync(CancellationToken cancel) => await services.GetRequiredService<IBusControl>().WaitForHealthStatus(BusHealthStatus.Healthy, cancel);

    // Before the first message is on its way: one that was consumed unseen would stay on its way.
    void Observe(IBus bus)
    {
        if (Volatile.Read(ref _observing) is not null) return;
        lock (_inFlight) _observing ??= bus.ConnectConsumeObserver(_inFlight);
    }

    public async Task SendAsync(Sending sending, object? message, CancellationToken cancel)
    {
        var bus = services.GetRequiredService<IBus>();
        Observe(bus);
        message ??= options.Vocabulary.Read(sending.Type, sending.Data);
        var held = _inFlight.Add(sending.Id, comesAgain: sending.Kind == "remind" || SaidOnce.GetOrAdd(message.GetType(), type => type.IsDefined(typeof(SaidOnceAttribute), inherit: false)));
        try
        {
            await bus.Publish(message, message.GetType(), Pipe.Execute<PublishContext>(p =>
            {
                p.MessageId = sending.MessageId;
                p.CorrelationId = sending.StreamId;
                InFlight.Mark(p, held);
                if (sending.Actor is not null) p.Headers.Set(FactHeaders.ActorHeader, sending.Actor);
            }), cancel);
        }
        catch
        {
            _inFlight.Remove(held);
            throw;
        }
    }
}

/// <summary>Brings messages to RabbitMQ, confirmed; what the row holds goes out as it is, or, where it was stored in an old shape, in today's.</summary>
sealed class RabbitAgenda : IAgendaTarget, IAsyncDisposable
{
    readonly EventStoreOptions _options;
    readonly IServiceProvider _services;
    readonly RabbitLine _line;

    public RabbitAgenda(EventStoreOptions options, IServiceProvider services, TimeProvider clock)
    {
        (_options, _services) = (options, services);
        _line = new(options, "flatrender agenda", DeclareAsync, clock);
    }

    public InFlight? InFlight => null;

    public async Task ReadyAsync(CancellationToken cancel)
    {
        // On a new broker queues are there once this process has declared its own; what is sent before that is for nobody.
        await _services.GetRequiredService<IBusControl>().WaitForHealthStatus(BusHealthStatus.Healthy, cancel);
        await _line.ReadyAsync(cancel);
    }

    public Task SendAsync(Sending sending, object? message, CancellationToken cancel)
    {
        var (name, data) = _options.Vocabulary.Today(sending.Type, sending.Data);
        var properties = RabbitMessages.Properties(_options.Vocabulary, name, sending.MessageId, sending.StreamId, Activity.Current?.Id ?? sending.Trace);
        if (sending.Actor is not null) properties.Headers![FactHeaders.ActorHeader] = sending.Actor;
        return _line.PublishAsync([new Letter(RabbitMessages.ExchangeOf(_options.Vocabulary.TypeOf(name)), "", properties, Encoding.UTF8.GetBytes(data))], cancel);
    }

    async Task DeclareAsync(IChannel channel, CancellationToken cancel)
    {
        foreach (var name in _options.Vocabulary.Names.Where(RabbitMessages.IsOfAgenda)) await RabbitMessages.DeclareAsync(channel, _options.Vocabulary, name, cancel);
    }

    public ValueTask DisposeAsync() => _line.DisposeAsync();
}
