using FlatRender.Contracts;
using MassTransit;
using MassTransit.Configuration;
using MassTransit.Saga;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Npgsql;

namespace FlatRender.EventStore;

/// <summary>What carries facts, asks and reminders away.</summary>
public enum Broker
{
    /// <summary>MassTransit's in-memory bus: one process. What it held in a crash is asked for again at start.</summary>
    Memory,
    /// <summary>RabbitMQ: facts go raw to the topic exchange <c>flatrender.events</c>, asks and reminders through MassTransit.</summary>
    Rabbit
}

/// <summary>How a process uses the store. Everything is explicit.</summary>
public sealed class EventStoreOptions
{
    public NpgsqlDataSource DataSource { get; set; } = null!;
    public string Schema { get; set; } = "eventstore";
    public Vocabulary Vocabulary { get; set; } = Vocabulary.All;
    public Broker Broker { get; set; } = Broker.Memory;

    /// <summary>amqp://user:password@host:port/vhost; needed with <see cref="Broker.Rabbit"/>.</summary>
    public Uri? RabbitMq { get; set; }

    /// <summary>Whether this process relays facts and sends the agenda. Any number may: facts have one leader, agenda rows are shared out.</summary>
    public bool Relay { get; set; } = true;

    /// <summary>Connections that commit at the same time.</summary>
    public int Committers { get; set; } = 2;

    /// <summary>Most units in one commit.</summary>
    public int MaxBatch { get; set; } = 128;

    /// <summary>Most memories kept in this process.</summary>
    public int Remembered { get; set; } = 20_000;

    /// <summary>How often the relay looks without being woken.</summary>
    public TimeSpan Poll { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>How long a leader may be silent before another takes its place.</summary>
    public TimeSpan Patience { get; set; } = TimeSpan.FromSeconds(10);

    internal void Check()
    {
        if (DataSource is null) throw new InvalidOperationException("The event store needs a DataSource.");
        if (Broker == Broker.Rabbit && RabbitMq is null) throw new InvalidOperationException("The event store relays to RabbitMQ but has no address for it: set RabbitMq.");
        Migration.CheckName(Schema);
    }
}

public static class EventStoreRegistration
{
    /// <summary>The store and its relay. <see cref="Migration.ApplyAsync"/> is called before the host starts; a bus is registered by the host.</summary>
    public static IServiceCollection AddEventStore(this IServiceCollection services, Action<EventStoreOptions> configure)
    {
        var options = new EventStoreOptions();
        configure(options);
        options.Check();
        services.AddSingleton(options);
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton<Tally>();
        services.AddSingleton<Wake>();
        services.AddSingleton<Recollection>();
        services.AddSingleton<GroupCommit>();
        services.AddSingleton<Streams>();
        services.AddSingleton<Agenda>();
        if (options.Broker == Broker.Rabbit) services.AddSingleton<IFactTarget, RabbitTarget>();
        else services.AddSingleton<IFactTarget, BusTarget>();
        if (!options.Relay) return services;
        services.AddHostedService<Relay>();
        services.AddHostedService<AgendaRelay>();
        return services;
    }

    /// <summary>The saga's memory lives in the event store.</summary>
    public static ISagaRegistrationConfigurator<TSaga> InEventStore<TSaga>(this ISagaRegistrationConfigurator<TSaga> saga) where TSaga : StreamedSaga, new() =>
        saga.Repository(r =>
        {
            r.RegisterSagaRepository<TSaga, UnitOfWork, SagaConsumeContextFactory<UnitOfWork, TSaga>, StreamedSagaRepository<TSaga>>();
            r.RegisterLoadSagaRepository<TSaga, StreamedSagaRepository<TSaga>>();
        });
}
