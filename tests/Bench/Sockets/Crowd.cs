using System.Net.Sockets;
using System.Text;

namespace FlatRender.Bench.Sockets;

/// <summary>So many clients that read and forget.</summary>
static class Crowd
{
    /// <param name="addresses">With a space between; taken in turn.</param>
    public static async Task RunAsync(string addresses, int sockets)
    {
        var at = addresses.Split(' ').Select(a => new Uri(a)).ToArray();
        var open = new List<Socket>(sockets);
        foreach (var some in Enumerable.Range(0, sockets).Chunk(50))
            open.AddRange(await Task.WhenAll(some.Select(n => ConnectAsync(at[n % at.Length]))));
        Console.WriteLine("there");
        foreach (var socket in open) _ = ReadAsync(socket);
        await Part.HearAsync();
    }

    static async Task<Socket> ConnectAsync(Uri at)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(at.Host, at.Port);
        await socket.SendAsync(Encoding.ASCII.GetBytes(
            $"GET {at.PathAndQuery} HTTP/1.1\r\nHost: {at.Authority}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: flatrender.v1\r\n\r\n"));
        var answer = new byte[64];
        var length = await socket.ReceiveAsync(answer);
        return Encoding.ASCII.GetString(answer, 0, length).StartsWith("HTTP/1.1 101", StringComparison.Ordinal) ? socket : throw new InvalidOperationException($"The server refused: {Encoding.ASCII.GetString(answer, 0, length)}");
    }

    static async Task ReadAsync(Socket socket)
    {
        var buffer = new byte[2048];
        try
        {
            while (await socket.ReceiveAsync(buffer) > 0)
            {
            }
        }
        catch (SocketException)
        {
            // The server has ended.
        }
    }
}
