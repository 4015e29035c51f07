using FlatRender.Contracts;
using MassTransit;
using MassTransit.Configuration;
using MassTransit.Saga;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Npgsql;

namespace FlatRender.EventStore;

/// <summary>How a process uses the store. Everything is explicit.</summary>
public sealed class EventStoreOptions
{
    /// <summary>Null: the one registered as a service.</summary>
    public NpgsqlDataSource DataSource { get; set; } = null!;
    public string Schema { get; set; } = "eventstore";
    public Vocabulary Vocabulary { get; set; } = Vocabulary.All;

    /// <summary>
    /// What carries messages away. "memory": MassTransit's in-memory bus, one process; what it held in a crash is asked for again at start.
    /// rabbitmq://user:password@host:port/vhost: facts go raw to the topic exchange flatrender.events, asks and reminders through MassTransit.
    /// </summary>
    public string Broker { get; set; } = Memory;

    /// <summary>Whether this process relays facts and sends the agenda. Any number may: facts have one leader, agenda rows are shared out.</summary>
    public bool Relay { get; set; } = true;

    /// <summary>Whether a relaying process sends the asks of its own units straight after their commit. If not, they are sent from the agenda, as those of others are.</summary>
    public bool SendAtOnce { get; set; } = true;

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

    internal const string Memory = "memory";

    internal bool InMemory => Broker == Memory;

    internal void Check()
    {
        EventStore.Schema.CheckName(Schema);
        if (!InMemory) Brokers.Of(Broker);
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
        services.AddSingleton(provider =>
        {
            options.DataSource ??= provider.GetRequiredService<NpgsqlDataSource>();
            return options;
        });
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton<Tally>();
        services.AddSingleton<Wake>();
        services.AddSingleton<Recollection>();
        services.AddSingleton<GroupCommit>();
        services.AddSingleton<ICommit>(provider => provider.GetRequiredService<GroupCommit>());
        services.AddSingleton<Streams>();
        services.AddSingleton<Alongside>();
        services.AddSingleton<Agenda>();
        if (options.InMemory) services.AddSingleton<IFactTarget, BusTarget>();
        else services.AddSingleton<IFactTarget, RabbitTarget>();
        if (!options.InMemory) services.AddHostedService<Bell>();
        if (!options.Relay) return services;
        services.AddHostedService<Relay>();
        services.AddHostedService<AgendaRelay>();
        return services;
    }

    /// <summary>Lets MassTransit consumers take facts as the relay brings them to RabbitMQ: raw JSON that names its type in a header.</summary>
    public static void UnderstandFacts(this IBusFactoryConfigurator bus) => bus.UseRawJsonDeserializer(RawSerializerOptions.CopyHeaders);

    /// <summary>A connection or channel that is cut while messages are worked on costs these messages a second try, and nothing else (<see cref="CutOff"/>). For every bus over RabbitMQ.</summary>
    public static void OutliveCuts(this IBusFactoryConfigurator bus) => bus.ConnectReceiveObserver(new CutOff());

    /// <summary>The saga's memory lives in the event store.</summary>
    public static ISagaRegistrationConfigurator<TSaga> InEventStore<TSaga>(this ISagaRegistrationConfigurator<TSaga> saga) where TSaga : StreamedSaga, new() =>
        saga.Repository(r =>
        {
            r.RegisterSagaRepository<TSaga, UnitOfWork, SagaConsumeContextFactory<UnitOfWork, TSaga>, StreamedSagaRepository<TSaga>>();
            r.RegisterLoadSagaRepository<TSaga, StreamedSagaRepository<TSaga>>();
        });
}
