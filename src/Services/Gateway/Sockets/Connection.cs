using System.Buffers;
using Microsoft.AspNetCore.Http.Features;

namespace FlatRender.Gateway.Sockets;

/// <summary>The stream under a WebSocket, which its framework does not show.</summary>
sealed class Connection(IHttpUpgradeFeature upgrade) : IHttpUpgradeFeature
{
    Stream _stream = Stream.Null;

    public bool IsUpgradableRequest => upgrade.IsUpgradableRequest;
    public async Task<Stream> UpgradeAsync() => _stream = await upgrade.UpgradeAsync();

    /// <summary>Stands before the WebSockets of a door.</summary>
    public static Task KeepAsync(HttpContext http, RequestDelegate next)
    {
        if (http.Features.Get<IHttpUpgradeFeature>() is { } upgrade)
        {
            var connection = new Connection(upgrade);
            http.Features.Set<IHttpUpgradeFeature>(connection);
            http.Features.Set(connection);
        }

        return next(http);
    }

    public static Connection Of(HttpContext http) => http.Features.GetRequiredFeature<Connection>();

    /// <summary>A connection that is ended with words unread takes back the last that was sent, which is why it closes.</summary>
    public async Task DrainAsync(CancellationToken cancel = default)
    {
        var sink = ArrayPool<byte>.Shared.Rent(4096);
        try
        {
            while (await _stream.ReadAsync(sink, cancel) > 0)
            {
            }
        }
        catch (Exception e) when (Outbox.IsGone(e))
        {
            // It went.
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(sink);
        }
    }
}
