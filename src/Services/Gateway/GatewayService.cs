using System.Diagnostics.Metrics;
using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.Foundation;
using FlatRender.Gateway.Messages;
using FlatRender.Gateway.Sockets;
using FlatRender.MessageAdapter;
using MassTransit;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace FlatRender.Gateway;

/// <summary>The public door.</summary>
public sealed class GatewayService : Service
{
    public override string Role => "gateway";

    public override Task UpdateSchemaAsync(NpgsqlDataSource database, CancellationToken cancel) => Schema.UpdateAsync(database, "gateway", typeof(GatewayService).Assembly, cancel);

    public override void Register(IServiceCollection services)
    {
        services.AddSingleton<LiveProgress>();
        services.TryAddSingleton(LiveLimits.Default);
        services.AddSingleton<LiveSnapshots>();
        services.AddSingleton<LiveHub>();
        services.AddHostedService(s => s.GetRequiredService<LiveHub>());
        // It writes addresses with their queries, and a socket's token is in one: not at any level.
        services.AddLogging(log => log.AddFilter("Microsoft.AspNetCore.Hosting.Diagnostics", LogLevel.Warning));
        services.AddSingleton<Till>();
        services.AddSingleton<FirstAsked>();
        services.AddSingleton<Submission>();
        services.AddSingleton<Verbs>();
        services.AddProjection<JobViews>();
        services.TryAddSingleton(s => new MessageFile(null, s.GetRequiredService<Deployment>().InMemory));
        services.AddSingleton<MessageRoutes>();
        services.AddHostedService(s => s.GetRequiredService<MessageRoutes>());
        services.AddSingleton<MessageTally>();
        services.AddSingleton<BrokerCarrier>();
        services.AddHostedService(s => s.GetRequiredService<BrokerCarrier>());
        services.AddSingleton<ICarrier>(s => s.GetRequiredService<Deployment>().InMemory ? new HouseCarrier(s.GetService<IMicroservice>(), s.GetRequiredService<ILogger<HouseCarrier>>()) : s.GetRequiredService<BrokerCarrier>());
        services.AddSingleton<MessageHub>();
    }

    public override void Consume(IBusRegistrationConfigurator bus)
    {
        bus.AddConsumer<LiveFacts, LiveFactsQueue>();
        bus.AddConsumer<LiveProgressFeed, LiveProgressQueue>();
        bus.AddRequestClient<FindTemplate>(RequestTimeout.After(s: 10));
        bus.AddRequestClient<FindSnapshot>(RequestTimeout.After(s: 10));
        bus.AddRequestClient<HoldCredits>(RequestTimeout.After(s: 20));
        bus.AddRequestClient<PrepareRender>(RequestTimeout.After(m: 3));
    }

    public override void Map(IEndpointRouteBuilder routes)
    {
        var hub = routes.ServiceProvider.GetRequiredService<LiveHub>();
        // A meter of this host's own: one of the process would keep the hub of every host that ever was.
        var meter = routes.ServiceProvider.GetRequiredService<IMeterFactory>().Create("FlatRender.Gateway");
        meter.CreateObservableGauge("flatrender_sockets", () => hub.Count.Sockets, description: "Live sockets open.");
        meter.CreateObservableGauge("flatrender_watched_renders", () => hub.Count.Renders, description: "Renders that sockets watch.");
        var renders = routes.MapGroup("/v1/renders").Needs(Permission.RendersRead).WithTags("renders");
        // Images travel inside, as data: URIs.
        renders.MapPost("", Renders.SubmitAsync).Tells<RenderView>("SubmitRender", "Submits a render: 202 once it is stored; what is wrong with it is said all at once.", 202, 402, 404, 413, 415, 422).WithMetadata(new Microsoft.AspNetCore.Mvc.RequestSizeLimitAttribute(64L << 20)).Needs(Permission.RendersWrite);
        renders.MapGet("", Renders.ListAsync).Tells<Page<RenderView>>("ListRenders", "The tenant's renders, newest first.", 200, 422);
        renders.MapGet("{id}", Renders.GetAsync).Tells<RenderView>("GetRender", "One render, with its progress of the moment.", 200, 404).Produces(304);
        renders.MapPost("{id}/cancel", Renders.CancelAsync).Tells<RenderView>("CancelRender", "Cancels a render; what was not used of its price goes back.", 202, 404, 409, 415, 422).Needs(Permission.RendersWrite);
        renders.MapPost("{id}/retry", Renders.RetryAsync).Tells<RenderView>("RetryRender", "Tries a failed render again.", 202, 402, 404, 409, 415, 422).Needs(Permission.RendersWrite);
        renders.MapGet("{id}/events", Timeline.ListAsync).Tells<Page<TimelineEntry>>("ListRenderEvents", "A render's history, fact by fact.", 200, 404, 422);
        renders.MapGet("{id}/film", Renders.FilmAsync).Tells("GetFilm", "The film, whole or in ranges.", 200, "video/mp4", 404, 409, 416).Produces(206, null, "video/mp4").Produces(304).DisableRequestTimeout();
        renders.MapGet("{id}/thumbnail", Renders.ThumbnailAsync).Tells("GetThumbnail", "A picture from the film.", 200, "image/jpeg", 404, 409, 416).Produces(206, null, "image/jpeg").Produces(304);
        renders.MapGet("{id}/waiting", Waiting.ExplainAsync).Tells<WaitExplained>("ExplainWait", "Why a render waits.", 200, 404);
        LiveDoor.Map(routes);
        MessageDoor.Map(routes);
    }
}
