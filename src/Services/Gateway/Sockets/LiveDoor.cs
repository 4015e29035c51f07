using FlatRender.Contracts;
using FlatRender.Foundation;
using MassTransit;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Hosting;
using Npgsql;

namespace FlatRender.Gateway.Sockets;

/// <summary>Where a browser comes to watch a render.</summary>
static class LiveDoor
{
    public const string Protocol = "flatrender.v1";

    // After a deploy all come back at once, and many may come through one address.
    static readonly Rate Reconnects = new("live", 60_000, TimeSpan.FromMinutes(1));
    const string Away = "the store is away for the moment";

    public static void Map(IEndpointRouteBuilder routes)
    {
        var stopping = routes.ServiceProvider.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping;
        stopping.Register(routes.ServiceProvider.GetRequiredService<LiveHub>().SendAllAway);
        // The door looks at the token itself, after the upgrade: only so can a browser be told what is wrong with it.
        routes.Map("/ws/v1/render/{job_id}", routes.CreateApplicationBuilder().Use(Connection.KeepAsync).UseWebSockets().Use((HttpContext http, RequestDelegate _) => OpenAsync(http)).Build())
            .AllowAnonymous().DisableRequestTimeout().WithMetadata(Reconnects).WithTags("live").ExcludeFromDescription();
    }

    static async ValueTask<Verdict> CallerAsync(HttpContext http)
    {
        if (http.Request.Query["token"] is not [{ Length: > 0 } token]) return new(null, "Sign in first: the address carries a token.");
        try
        {
            var verdict = await http.RequestServices.GetRequiredService<Tokens>().CheckAsync(token, http.RequestAborted);
            // A service watches nothing: it has no tenant of its own.
            return verdict.Caller is { ServiceName: not null } ? new(null, "This is for people.") : verdict;
        }
        catch (NpgsqlException)
        {
            // Who signed cannot be looked up. The client may come again with the same token.
            return new(null, "");
        }
    }

    static async Task OpenAsync(HttpContext http)
    {
        if (!http.WebSockets.IsWebSocketRequest)
            await Refuse.With(StatusCodes.Status400BadRequest, "NOT_A_WEBSOCKET", "Open this address as a WebSocket.").ExecuteAsync(http);
        else if (!http.WebSockets.WebSocketRequestedProtocols.Contains(Protocol))
            await Refuse.With(StatusCodes.Status400BadRequest, "BAD_PROTOCOL", $"Offer the subprotocol {Protocol}.").ExecuteAsync(http);
        else
            await ServeAsync(http);
    }

    static async Task ServeAsync(HttpContext http)
    {
        var hub = http.RequestServices.GetRequiredService<LiveHub>();
        using var socket = await http.WebSockets.AcceptWebSocketAsync(new WebSocketAcceptContext { SubProtocol = Protocol, KeepAliveInterval = TimeSpan.Zero });
        // No header carries it: browsers cannot set headers on a WebSocket.
        var (caller, why) = await CallerAsync(http);
        var watcher = new Watcher(socket, Connection.Of(http), hub.Pace, caller?.ExpiresAt ?? DateTimeOffset.MaxValue, http.Abort);
        LiveJob? job = null;
        LiveCalls? calls = null;
        hub.Greet(watcher);
        try
        {
            if (caller is null && why == "") watcher.Outbox.Close(LiveClose.GoingAway, Away);
            else if (caller is null) watcher.Outbox.Close(LiveClose.Unauthorized, why);
            else if (!JobId.TryParse(http.Request.RouteValues["job_id"] as string, out var id) || (job = await hub.EnterAsync(id, http.RequestAborted)) is null) watcher.Outbox.Close(LiveClose.NotFound, "there is no such render");
            else if (job.Fold!.Tenant != caller.TenantId || !caller.May(Permission.RendersRead)) watcher.Outbox.Close(LiveClose.Forbidden, "this render is not yours");
            else job.Join(watcher);
        }
        catch (Exception e) when (e is NpgsqlException or TimeoutException)
        {
            // Who comes again in a moment may find the store there.
            watcher.Outbox.Close(LiveClose.GoingAway, Away);
        }

        try
        {
            calls = new LiveCalls(watcher, hub.Pace, job, caller, http.RequestServices);
            await watcher.ListenAsync(calls.HearAsync);
        }
        finally
        {
            calls?.Leave();
            if (job is not null) hub.Leave(job, watcher);
            hub.Forget(watcher);
        }
    }
}
