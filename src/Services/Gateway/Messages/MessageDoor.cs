using FlatRender.Foundation;
using FlatRender.Gateway.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Hosting;

namespace FlatRender.Gateway.Messages;

/// <summary>Where a client comes to speak with any microservice behind the broker.</summary>
static class MessageDoor
{
    static readonly Rate Reconnects = new("messages", 60_000, TimeSpan.FromMinutes(1));
    static readonly TimeSpan Ping = TimeSpan.FromSeconds(30);

    public static void Map(IEndpointRouteBuilder routes)
    {
        var hub = routes.ServiceProvider.GetRequiredService<MessageHub>();
        MessageTally.Watch(hub, routes.ServiceProvider.GetRequiredService<System.Diagnostics.Metrics.IMeterFactory>());
        routes.ServiceProvider.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping.Register(hub.SendAllAway);
        // Each message carries its own token, or none: the door itself is open.
        routes.Map("/ws/v1/messages", routes.CreateApplicationBuilder().Use(Connection.KeepAsync).UseWebSockets().Use((HttpContext http, RequestDelegate _) => OpenAsync(http, hub)).Build())
            .AllowAnonymous().DisableRequestTimeout().WithMetadata(Reconnects).WithTags("messages").ExcludeFromDescription();
    }

    static async Task OpenAsync(HttpContext http, MessageHub hub)
    {
        if (!http.WebSockets.IsWebSocketRequest)
        {
            await Refuse.With(StatusCodes.Status400BadRequest, "NOT_A_WEBSOCKET", "Open this address as a WebSocket.").ExecuteAsync(http);
            return;
        }

        if (!hub.TakePlace())
        {
            await Refuse.Unavailable("There are as many sockets here as there may be.").ExecuteAsync(http);
            return;
        }

        try
        {
            await ServeAsync(http, hub);
        }
        finally
        {
            hub.GivePlace();
        }
    }

    static async Task ServeAsync(HttpContext http, MessageHub hub)
    {
        // A client that does not answer pings is gone, or reads nothing any more.
        using var socket = await http.WebSockets.AcceptWebSocketAsync(new WebSocketAcceptContext { KeepAliveInterval = Ping, KeepAliveTimeout = Ping });
        var client = new MessageSocket(socket, Connection.Of(http), hub, http.Abort);
        hub.Enter(client);
        try
        {
            await client.ServeAsync(http.RequestAborted);
        }
        finally
        {
            hub.Leave(client);
        }
    }
}
