using System.Buffers;
using System.Net.WebSockets;
using System.Text.Json;
using FlatRender.Contracts;

namespace FlatRender.Gateway.Sockets;

/// <summary>One socket: it hears what its client says, keeps the client to its limits, and knows when it is time to go.</summary>
sealed class Watcher
{
    readonly WebSocket _socket;
    readonly Connection _connection;
    readonly Pace _pace;
    readonly Action _cut;
    readonly CallMeter _meter;
    readonly long _expires;
    long _nextPing = long.MaxValue, _unanswered = long.MaxValue;

    /// <param name="connection">Under the socket.</param>
    /// <param name="expires">When the client's token does.</param>
    /// <param name="cut">Ends the connection at once.</param>
    public Watcher(WebSocket socket, Connection connection, Pace pace, DateTimeOffset expires, Action cut)
    {
        (_socket, _connection, _pace, _cut) = (socket, connection, pace, cut);
        _meter = new CallMeter(pace);
        Outbox = new Outbox(socket, pace, cut);
        var left = expires - pace.Clock.GetUtcNow();
        _expires = left > TimeSpan.FromDays(365) ? long.MaxValue : pace.Now + pace.Ticks(left);
    }

    public Outbox Outbox { get; }

    /// <summary>It has had its hello. Before, however long the store takes, nothing else is said.</summary>
    public void Welcome() => Volatile.Write(ref _nextPing, _pace.Now + _pace.Ping);

    public void Tell(LiveMessage message) => Outbox.Tell(Beat.Json(message));

    /// <summary>Looked at a few times a second: pings, and ends what has run out.</summary>
    public void Tick(long now)
    {
        if (now >= Outbox.LeaveBy) _cut();
        else if (now >= _expires) Outbox.Close(LiveClose.Unauthorized, "the token has expired");
        else if (now - Volatile.Read(ref _unanswered) >= _pace.Pong) Outbox.Close(LiveClose.BadMessage, "no pong");
        else if (now >= Volatile.Read(ref _nextPing))
        {
            Volatile.Write(ref _nextPing, now + _pace.Ping);
            Interlocked.CompareExchange(ref _unanswered, now, long.MaxValue);
            Tell(new LivePing(_pace.Clock.GetUtcNow().ToUnixTimeSeconds()));
        }
    }

    /// <summary>Returns when the socket is closed or gone.</summary>
    /// <param name="heard">What to do with what the client asks; pongs are not among it.</param>
    public async Task ListenAsync(Func<LiveCall, ValueTask> heard)
    {
        try
        {
            // No buffer is held while a client is silent, which is nearly always.
            while (await _socket.ReceiveAsync(Memory<byte>.Empty, CancellationToken.None) is { MessageType: not WebSocketMessageType.Close } first)
            {
                var call = await ReadAsync(first);
                if (!Outbox.IsClosing || call is LiveCancelJob) await HearAsync(call, heard);
                _pace.Tally.Hear();
            }

            if (!Outbox.End()) await _socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, CancellationToken.None);
        }
        catch (WebSocketException)
        {
            // What came was no frame, or no text, and the framework has closed for it (or the client is simply gone: then there is nothing to read).
            Outbox.Leave();
            await _connection.DrainAsync();
        }
        catch (Exception e) when (Outbox.IsGone(e))
        {
            // There is nobody left to tell.
        }

        Outbox.End();
    }

    async ValueTask HearAsync(LiveCall? call, Func<LiveCall, ValueTask> heard)
    {
        switch (_meter.Count())
        {
            case CallMeter.Verdict.TooFast: break;
            case CallMeter.Verdict.Complain: Tell(new LiveError("RATE_LIMIT", "Too many messages; slow down")); break;
            case CallMeter.Verdict.Enough: Outbox.Close(LiveClose.RateLimited, "too many messages"); break;
            case var _ when call is null: Outbox.Close(LiveClose.BadMessage, "not a message of this protocol"); break;
            case var _ when call is LivePong: Volatile.Write(ref _unanswered, long.MaxValue); break;
            default: await heard(call!); break;
        }
    }

    /// <returns>Null: nothing a client may say.</returns>
    async ValueTask<LiveCall?> ReadAsync(ValueWebSocketReceiveResult part)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(1024);
        try
        {
            var length = 0;
            while (!part.EndOfMessage)
            {
                if (length == buffer.Length) Grow(ref buffer);
                part = await _socket.ReceiveAsync(buffer.AsMemory(length), CancellationToken.None);
                if (part.MessageType == WebSocketMessageType.Close) return null;
                // The rest of what is too long is read and forgotten: the close must be seen to be for this.
                length += part.Count;
                if (length > _pace.Limits.CallBytes)
                {
                    Outbox.Close(LiveClose.BadMessage, "the message is too long");
                    length = 0;
                }
            }

            return part.MessageType == WebSocketMessageType.Text ? Parse(buffer.AsSpan(0, length)) : null;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    static void Grow(ref byte[] buffer)
    {
        var larger = ArrayPool<byte>.Shared.Rent(buffer.Length * 4);
        buffer.CopyTo(larger, 0);
        ArrayPool<byte>.Shared.Return(buffer);
        buffer = larger;
    }

    static LiveCall? Parse(ReadOnlySpan<byte> json)
    {
        try
        {
            return JsonSerializer.Deserialize<LiveCall>(json, Wire.Json) switch
            {
                LivePong { T: null } or LiveCancelJob { JobId: null } or LiveSubscribeSnapshot { SnapshotId: null } => null,
                var call => call,
            };
        }
        catch (Exception e) when (e is JsonException or NotSupportedException)
        {
            return null;
        }
    }
}
