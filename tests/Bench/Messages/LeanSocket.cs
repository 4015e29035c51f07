using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;

namespace FlatRender.Bench.Messages;

/// <summary>A WebSocket client that costs next to nothing, so that what is measured is the other side: it always says the same text, short enough for one frame, and hears one frame for it.</summary>
sealed class LeanSocket
{
    const byte Text = 0x81, Ping = 0x89, Pong = 0x8A;

    readonly Socket _socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
    readonly byte[] _says, _heard = new byte[4096];
    int _have, _used;

    LeanSocket(byte[] text) => _says = Frame(Text, text);

    public static async Task<LeanSocket> OpenAsync(Uri at, byte[] text)
    {
        var client = new LeanSocket(text);
        await client._socket.ConnectAsync(at.Host, at.Port);
        await client._socket.SendAsync(Encoding.ASCII.GetBytes($"GET {at.PathAndQuery} HTTP/1.1\r\nHost: {at.Authority}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"));
        int end;
        while ((end = client._heard.AsSpan(0, client._have).IndexOf("\r\n\r\n"u8)) < 0) await client.ReadAsync();
        if (!client._heard.AsSpan().StartsWith("HTTP/1.1 101"u8)) throw new InvalidOperationException($"The server refused: {Encoding.ASCII.GetString(client._heard, 0, end)}");
        client._used = end + 4;
        return client;
    }

    /// <returns>The answer; good until the next one.</returns>
    public async Task<ReadOnlyMemory<byte>> AskAsync()
    {
        await _socket.SendAsync(_says);
        while (true)
        {
            var (kind, at, length) = Next();
            if (length < 0)
            {
                await ReadAsync();
                continue;
            }

            _used = at + length;
            if (kind == Text) return _heard.AsMemory(at, length);
            if (kind != Ping) throw new InvalidOperationException($"A frame of kind {kind:x2} came instead of an answer.");
            await _socket.SendAsync(Frame(Pong, _heard.AsSpan(at, length)));
        }
    }

    /// <summary>The frame that begins what was read and not used yet; of length -1, where it is not all there.</summary>
    (byte Kind, int At, int Length) Next()
    {
        var left = _heard.AsSpan(_used.._have);
        if (left.Length < 2) return (0, 0, -1);
        var (at, length) = (2, (int)left[1]);
        if (length == 126)
        {
            if (left.Length < 4) return (0, 0, -1);
            (at, length) = (4, BinaryPrimitives.ReadUInt16BigEndian(left[2..]));
        }

        return left.Length < at + length ? (left[0], 0, -1) : (left[0], _used + at, length);
    }

    async Task ReadAsync()
    {
        _heard.AsSpan(_used.._have).CopyTo(_heard);
        (_have, _used) = (_have - _used, 0);
        var more = await _socket.ReceiveAsync(_heard.AsMemory(_have));
        _have += more > 0 ? more : throw new InvalidOperationException("The server has closed the socket.");
    }

    // A mask of zeros is a mask, and changes nothing.
    static byte[] Frame(byte kind, ReadOnlySpan<byte> text) =>
        text.Length < 126 ? [kind, (byte)(0x80 | text.Length), 0, 0, 0, 0, .. text] : [kind, 0x80 | 126, (byte)(text.Length >> 8), (byte)text.Length, 0, 0, 0, 0, .. text];
}
