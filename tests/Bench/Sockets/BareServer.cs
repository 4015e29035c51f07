using System.Collections.Concurrent;
using System.Net.WebSockets;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace FlatRender.Bench.Sockets;

/// <summary>The least that sends 300 bytes to every socket twice a second.</summary>
static class BareServer
{
    public static async Task RunAsync(int sockets, int seconds)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        await using var app = builder.Build();
        var open = new ConcurrentBag<WebSocket>();
        app.UseWebSockets();
        app.Map("/ws", async http =>
        {
            using var socket = await http.WebSockets.AcceptWebSocketAsync(new WebSocketAcceptContext { SubProtocol = "flatrender.v1", KeepAliveInterval = TimeSpan.Zero });
            open.Add(socket);
            var buffer = new byte[1024];
            while (!(await socket.ReceiveAsync(buffer.AsMemory(), CancellationToken.None)).MessageType.Equals(WebSocketMessageType.Close))
            {
            }
        });
        await app.StartAsync();
        var before = Measured.Memory();
        Console.WriteLine(app.Urls.Single() + "/ws");
        await Part.HearAsync();

        var message = new byte[300];
        Array.Fill(message, (byte)'x');
        var sent = 0L;
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(500));
        var all = open.ToArray();
        var telling = Task.Run(async () =>
        {
            while (await tick.WaitForNextTickAsync())
                foreach (var socket in all)
                {
                    await socket.SendAsync(message.AsMemory(), WebSocketMessageType.Text, true, CancellationToken.None);
                    sent++;
                }
        });
        Console.WriteLine(JsonSerializer.Serialize(await Measured.OfAsync(seconds, sockets, before, () => Volatile.Read(ref sent))));
        await Part.HearAsync();
        GC.KeepAlive(telling);
    }
}
