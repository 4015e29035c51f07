using FlatRender.Contracts;
using FlatRender.EventStore;
using MassTransit;
using MassTransit.RabbitMqTransport.Configuration;

namespace FlatRender.Host;

/// <summary>The bus over RabbitMQ: quorum queues; what fails for good goes to the dead letters.</summary>
static class RabbitBus
{
    /// <summary>A message whose consumer's process or connection ended this often is set aside: it may be what ends them.</summary>
    const int DeliveryLimit = 20;

    public static void Configure(IBusRegistrationConfigurator bus, ServeOptions options)
    {
        bus.AddConfigureEndpointsCallback((context, _, endpoint) => Configure(endpoint, options, context));
        bus.UsingRabbitMq((context, transport) =>
        {
            var brokers = Brokers.Of(options.Deployment.Broker);
            transport.Host(brokers[0], host =>
            {
                host.RequestedConnectionTimeout(TimeSpan.FromSeconds(10));
                if (brokers.Count > 1)
                    host.UseCluster(cluster =>
                    {
                        foreach (var broker in brokers) cluster.Node($"{broker.Host}:{broker.Port}");
                    });
            });
            transport.UnderstandFacts();
            transport.OutliveCuts();
            transport.ConfigureJsonSerializerOptions(Wire.Configure);
            transport.ConfigureEndpoints(context);
        });
    }

    static void Configure(IReceiveEndpointConfigurator endpoint, ServeOptions options, IServiceProvider services)
    {
        // A process's own queue goes with it: it has its own limits, and nothing of it is kept.
        if (endpoint is not IRabbitMqReceiveEndpointConfigurator queue || endpoint is IRabbitMqReceiveEndpointConfiguration { Settings.AutoDelete: true }) return;
        queue.PrefetchCount = options.Prefetch;
        queue.ConcurrentMessageLimit = options.Concurrency;
        queue.SetQuorumQueue();
        queue.SetQueueArgument("x-delivery-limit", DeliveryLimit);
        queue.DeadLetterExchange = DeadLetters.Name;
        services.GetRequiredService<DeadLetters>().Take(endpoint);
    }
}
