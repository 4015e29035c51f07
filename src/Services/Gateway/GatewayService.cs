using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.Foundation;
using FlatRender.Gateway.Sockets;
using MassTransit;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;

namespace FlatRender.Gateway;

/// <summary>The public door.</summary>
public sealed class GatewayService : Service
{
    public override string Role => "gateway";

    public override void Register(IServiceCollection services)
    {
        services.AddSingleton<LiveProgress>();
        services.TryAddSingleton(LiveLimits.Default);
        services.AddSingleton<LiveHub>();
        services.AddHostedService(s => s.GetRequiredService<LiveHub>());
        // It writes addresses with their queries, and a socket's token is in one: not at any level.
        services.AddLogging(log => log.AddFilter("Microsoft.AspNetCore.Hosting.Diagnostics", LogLevel.Warning));
        services.AddSingleton<Till>();
        services.AddSingleton<Submission>();
        services.AddProjection<JobViews>();
    }

    public override void Consume(IBusRegistrationConfigurator bus)
    {
        bus.AddConsumer<LiveFacts, LiveQueue>();
        bus.AddRequestClient<FindTemplate>(RequestTimeout.After(s: 10));
        bus.AddRequestClient<HoldCredits>(RequestTimeout.After(s: 20));
        bus.AddRequestClient<PrepareRender>(RequestTimeout.After(m: 3));
    }

    static readonly System.Diagnostics.Metrics.Meter Meter = new("FlatRender.Gateway");

    public override void Map(IEndpointRouteBuilder routes)
    {
        var hub = routes.ServiceProvider.GetRequiredService<LiveHub>();
        Meter.CreateObservableGauge("flatrender_sockets", () => hub.Count.Sockets, description: "Live sockets open.");
        Meter.CreateObservableGauge("flatrender_watched_renders", () => hub.Count.Renders, description: "Renders that sockets watch.");
        var renders = routes.MapGroup("/v1/renders").Needs(Permission.RendersRead).WithTags("renders");
        // Images travel inside, as data: URIs.
        renders.MapPost("", Renders.SubmitAsync).WithMetadata(new Microsoft.AspNetCore.Mvc.RequestSizeLimitAttribute(64L << 20)).Needs(Permission.RendersWrite);
        renders.MapGet("", Renders.ListAsync);
        renders.MapGet("{id}", Renders.GetAsync);
        renders.MapPost("{id}/cancel", Renders.CancelAsync).Needs(Permission.RendersWrite);
        renders.MapPost("{id}/retry", Renders.RetryAsync).Needs(Permission.RendersWrite);
        renders.MapGet("{id}/events", Timeline.ListAsync);
        renders.MapGet("{id}/waiting", Waiting.ExplainAsync).Produces<WaitExplained>();
        renders.MapGet("{id}/film", Renders.FilmAsync).DisableRequestTimeout();
        renders.MapGet("{id}/thumbnail", Renders.ThumbnailAsync);
        LiveDoor.Map(routes);
    }
}
