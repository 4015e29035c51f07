using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace FlatRender.Sockets.Tests;

/// <summary>A watching client, as .NET's own WebSocket makes it.</summary>
public sealed class Client : IDisposable
{
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    readonly ClientWebSocket _socket = new();
    readonly byte[] _buffer = new byte[1 << 20];

    Client()
    {
        _socket.Options.AddSubProtocol("flatrender.v1");
        _socket.Options.KeepAliveInterval = TimeSpan.Zero;
    }

    public static async Task<Client> ConnectAsync(Uri address)
    {
        var client = new Client();
        using var patience = new CancellationTokenSource(Patience);
        await client._socket.ConnectAsync(address, patience.Token);
        client._socket.SubProtocol.ShouldBe("flatrender.v1");
        return client;
    }

    /// <summary>The next message; fails where the socket closes instead.</summary>
    public async Task<JsonElement> NextAsync() => await ReceiveAsync() ?? throw new InvalidOperationException($"closed with {Code}: {_socket.CloseStatusDescription}");

    /// <summary>The next message of this type; others are passed over.</summary>
    public async Task<JsonElement> NextAsync(string type)
    {
        while (true)
            if (await NextAsync() is var message && message.GetProperty("type").GetString() == type) return message;
    }

    /// <summary>The next message is exactly this one.</summary>
    public async Task ExpectAsync(string json)
    {
        var message = await NextAsync();
        JsonNode.DeepEquals(JsonNode.Parse(message.GetRawText()), JsonNode.Parse(json)).ShouldBeTrue($"{message.GetRawText()}\nis not\n{json}");
    }

    /// <summary>Nothing more comes but the close, with this code.</summary>
    public async Task EndsAsync(int code)
    {
        var (messages, closed) = await ToTheEndAsync();
        messages.ShouldBeEmpty();
        closed.ShouldBe(code);
    }

    /// <summary>All that still comes, and the code the server then closes with.</summary>
    public async Task<(List<JsonElement> Messages, int Code)> ToTheEndAsync()
    {
        var messages = new List<JsonElement>();
        while (await ReceiveAsync() is { } message) messages.Add(message);
        return (messages, Code);
    }

    /// <summary>The code the server closes with, whatever it says before.</summary>
    public async Task<int> ClosedAsync() => (await ToTheEndAsync()).Code;

    int Code => (int)(_socket.CloseStatus ?? 0);

    public string? Goodbye => _socket.CloseStatusDescription;

    public Task SayAsync(object message) => SayAsync(JsonSerializer.SerializeToUtf8Bytes(message));

    public Task SayAsync(string text) => SayAsync(Encoding.UTF8.GetBytes(text));

    public Task SayAsync(byte[] bytes, WebSocketMessageType type = WebSocketMessageType.Text) => _socket.SendAsync(bytes, type, true, CancellationToken.None);

    /// <summary>Says good-bye first, where the server has not.</summary>
    public async Task GoAsync()
    {
        try
        {
            if (_socket.State is WebSocketState.Open or WebSocketState.CloseReceived) await _socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, CancellationToken.None);
        }
        catch (WebSocketException)
        {
            // It was quicker.
        }
    }

    async Task<JsonElement?> ReceiveAsync()
    {
        using var patience = new CancellationTokenSource(Patience);
        var length = 0;
        while (true)
        {
            var part = await _socket.ReceiveAsync(_buffer.AsMemory(length), patience.Token);
            if (part.MessageType == WebSocketMessageType.Close)
            {
                await GoAsync();
                return null;
            }

            part.MessageType.ShouldBe(WebSocketMessageType.Text);
            length += part.Count;
            if (part.EndOfMessage) return JsonElement.Parse(_buffer.AsSpan(0, length));
        }
    }

    public void Dispose() => _socket.Dispose();
}
