using FlatRender.Contracts;
using JasperFx;
using JasperFx.Events;
using Marten;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Weasel.Core;

namespace FlatRender.EventStore.Marten;

public static class MartenRegistration
{
    /// <summary>After AddEventStore: what it would commit itself is committed by Marten, into the same tables. Reading, relay and agenda stay as they are.</summary>
    public static IServiceCollection CommitThroughMarten(this IServiceCollection services)
    {
        services.AddSingleton<IDocumentStore>(provider => DocumentStore.For(marten => Configure(marten, provider.GetRequiredService<EventStoreOptions>())));
        return services.Replace(ServiceDescriptor.Singleton<ICommit, MartenCommit>());
    }

    /// <summary>Marten as it must be set to share our tables: by our wire names, snake_case, headers on, and never changing a table.</summary>
    public static void Configure(StoreOptions marten, EventStoreOptions store)
    {
        marten.Connection(store.DataSource);
        marten.DatabaseSchemaName = store.Schema;
        marten.Events.DatabaseSchemaName = store.Schema;
        // Under CreateOrUpdate, Marten drops columns it does not know.
        marten.AutoCreateSchemaObjects = AutoCreate.None;
        marten.UseSystemTextJsonForSerialization(EnumStorage.AsString, Casing.SnakeCase, json => Wire.Configure(json));
        marten.Events.StreamIdentity = StreamIdentity.AsGuid;
        // The quick modes take the server's time; ours is in the hash. A failed rich append leaves a tombstone on a stream of its own, which subscriptions skip as unknown.
        marten.Events.AppendMode = EventAppendMode.Rich;
        marten.Events.MetadataConfig.HeadersEnabled = true;
        foreach (var name in store.Vocabulary.Names) marten.Events.MapEventType(store.Vocabulary.TypeOf(name), name);
    }
}
