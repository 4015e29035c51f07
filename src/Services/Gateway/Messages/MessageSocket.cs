using System.Buffers;
using System.Net.WebSockets;
using FlatRender.Contracts;
using FlatRender.Foundation;
using FlatRender.Gateway.Sockets;
using Npgsql;

namespace FlatRender.Gateway.Messages;

/// <summary>
/// One client: its messages are taken one after the other, each is on its way (or refused) before the next is read, and answers go out as they come. Who does not read
/// is not read from either: an error of ours waits until the client has taken what was said before.
/// </summary>
sealed class MessageSocket
{
    static readonly TimeSpan LastWords = TimeSpan.FromSeconds(5);

    readonly WebSocket _socket;
    readonly Connection _connection;
    readonly MessageHub _hub;
    readonly Action _cut;
    readonly SemaphoreSlim _turn = new(1);
    readonly Allowance _own;
    readonly TokenMemory _token;
    readonly Mailbox _mail;
    (UserId Id, Allowance Of)? _person;
    bool _sentAway;

    /// <param name="cut">Ends the connection at once.</param>
    public MessageSocket(WebSocket socket, Connection connection, MessageHub hub, Action cut)
    {
        (_socket, _connection, _hub, _cut) = (socket, connection, hub, cut);
        _own = new Allowance(hub.Clock);
        _token = new TokenMemory(hub.Tokens, hub.Clock);
        _mail = new Mailbox(hub.Tally, hub.Clock, SendAsync);
    }

    public int InFlight => _own.InFlight;

    /// <summary>Returns when the socket is closed or gone; nothing of it is left then.</summary>
    public async Task ServeAsync(CancellationToken cancel)
    {
        try
        {
            // No buffer is held while a client is silent.
            while (await _socket.ReceiveAsync(Memory<byte>.Empty, cancel) is { MessageType: not WebSocketMessageType.Close } first) await TakeAsync(first, cancel);
            await CloseAsync(WebSocketCloseStatus.NormalClosure, null);
        }
        catch (WebSocketException)
        {
            // What came was no frame, or no text, and the framework has closed for it (or the client is simply gone: then there is nothing to read).
            using var enough = new CancellationTokenSource(LastWords, _hub.Clock);
            await _connection.DrainAsync(enough.Token);
        }
        catch (Exception e) when (Outbox.IsGone(e))
        {
            // The client has gone.
        }
        finally
        {
            _mail.Close();
            if (_person is var (id, _)) _hub.People.Leave(id);
            await _hub.Carrier.LeaveAsync(_mail);
        }
    }

    /// <summary>Another gateway will serve this client.</summary>
    public void SendAway()
    {
        _sentAway = true;
        _ = CloseAsync(WebSocketCloseStatus.EndpointUnavailable, "the server is going away");
    }

    async Task TakeAsync(ValueWebSocketReceiveResult part, CancellationToken cancel)
    {
        var limits = _hub.Plan.Limits;
        var buffer = ArrayPool<byte>.Shared.Rent(Math.Min(4096, limits.MessageBytes));
        try
        {
            var (length, tooLong) = (0, false);
            while (!part.EndOfMessage)
            {
                if (length == buffer.Length) Grow(ref buffer, length);
                part = await _socket.ReceiveAsync(buffer.AsMemory(length), cancel);
                if (part.MessageType == WebSocketMessageType.Close) return;
                length += part.Count;
                if (length <= limits.MessageBytes) continue;
                // The rest is read and forgotten.
                (length, tooLong) = (0, true);
            }

            if (_sentAway) return;
            if (tooLong) await RefuseAsync(new(MessageError.PayloadTooLarge, $"A message has at most {limits.MessageBytes} bytes."), null);
            else if (part.MessageType != WebSocketMessageType.Text) await RefuseAsync(new(MessageError.BadRequest, "A message is JSON in a text frame, not a binary one."), null);
            else await HearAsync(buffer.AsMemory(0, length), limits, cancel);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    static void Grow(ref byte[] buffer, int length)
    {
        var larger = ArrayPool<byte>.Shared.Rent(buffer.Length * 4);
        buffer.AsSpan(0, length).CopyTo(larger);
        ArrayPool<byte>.Shared.Return(buffer);
        buffer = larger;
    }

    async ValueTask HearAsync(ReadOnlyMemory<byte> message, MessageLimits limits, CancellationToken cancel)
    {
        var inTime = _own.Take(limits.PerSecond);
        var (asked, error) = Incoming.Read(message);
        if (!inTime) error = new(MessageError.TooManyRequests, $"At most {limits.PerSecond} messages a second.");
        if (error is not null)
        {
            await RefuseAsync(error, asked.EventName);
            return;
        }

        var (ready, refusal) = await AdmitAsync(asked, limits, cancel);
        if (ready is null) await RefuseAsync(refusal!, asked.EventName);
        else if (asked.EventName is null) await TellAsync(ready, cancel);
        else await AskAsync(ready, limits, cancel);
    }

    /// <summary>Is there such a route, and may this caller ask it?</summary>
    async ValueTask<(MessageAsked?, MessageError?)> AdmitAsync(Incoming asked, MessageLimits limits, CancellationToken cancel)
    {
        if (_hub.Plan.Find(asked.Url) is not { } route) return (null, new(MessageError.NotFound, $"There is nothing at {asked.Url}."));
        Caller? caller = null;
        if (asked.Token is null)
        {
            if (route.TokenRequired) return (null, new(MessageError.Unauthorized, "Sign in first: send a token."));
        }
        else
        {
            try
            {
                var verdict = await _token.CheckAsync(asked.Token, cancel);
                if (verdict.Caller is null) return (null, new(MessageError.Unauthorized, verdict.Why));
                caller = verdict.Caller;
            }
            catch (NpgsqlException)
            {
                return (null, new(MessageError.ServiceUnavailable, "Who you are cannot be looked up for the moment."));
            }

            Meet(caller.UserId);
            if (!_person!.Value.Of.Take(limits.UserPerSecond)) return (null, new(MessageError.TooManyRequests, $"At most {limits.UserPerSecond} messages a second of one person."));
        }

        if (route.Permissions.Count > 0 && route.Permissions.Except(Grants.Of(caller?.Permissions ?? [])).ToArray() is { Length: > 0 } missing)
            return (null, new(MessageError.Forbidden, $"You may not do this: it needs {string.Join(", ", missing)}."));
        return (new(route, asked.Url, caller, asked.EventName, asked.Content), null);
    }

    void Meet(UserId id)
    {
        if (_person?.Id == id) return;
        if (_person is var (before, _)) _hub.People.Leave(before);
        _person = (id, _hub.People.Enter(id));
    }

    /// <summary>Nobody waits for an answer; what goes wrong at once is said all the same.</summary>
    async ValueTask TellAsync(MessageAsked asked, CancellationToken cancel)
    {
        if (await _hub.Carrier.CarryAsync(_mail, asked, cancel) is { } error) await RefuseAsync(error, null);
    }

    async ValueTask AskAsync(MessageAsked asked, MessageLimits limits, CancellationToken cancel)
    {
        var person = asked.Caller is null ? null : _person?.Of;
        if (!_own.Enter(limits.InFlight))
        {
            await RefuseAsync(new(MessageError.TooManyRequests, $"At most {limits.InFlight} requests of a socket at once."), asked.EventName);
            return;
        }

        if (person?.Enter(limits.UserInFlight) == false)
        {
            _own.Leave();
            await RefuseAsync(new(MessageError.TooManyRequests, $"At most {limits.UserInFlight} requests of one person at once."), asked.EventName);
            return;
        }

        _mail.ReplyBytes = limits.ReplyBytes;
        var waiting = _mail.Await(asked.EventName!, asked.Route, () =>
        {
            _own.Leave();
            person?.Leave();
        });
        if (await _hub.Carrier.CarryAsync(_mail, asked, cancel) is not { } error) return;
        _hub.Tally.Refuse(error);
        await _mail.FailAsync(waiting, error);
    }

    async ValueTask RefuseAsync(MessageError error, string? eventName)
    {
        _hub.Tally.Refuse(error);
        await SendAsync(error.For(eventName));
    }

    async Task SendAsync(ReadOnlyMemory<byte> message)
    {
        await _turn.WaitAsync();
        try
        {
            if (_socket.State == WebSocketState.Open) await _socket.SendAsync(message, WebSocketMessageType.Text, true, CancellationToken.None);
        }
        catch (Exception e) when (Outbox.IsGone(e))
        {
            _cut();
        }
        finally
        {
            _turn.Release();
        }
    }

    async Task CloseAsync(WebSocketCloseStatus status, string? reason)
    {
        await _turn.WaitAsync();
        try
        {
            if (_socket.State is WebSocketState.Open or WebSocketState.CloseReceived) await _socket.CloseOutputAsync(status, reason, CancellationToken.None);
        }
        catch (Exception e) when (Outbox.IsGone(e))
        {
            _cut();
        }
        finally
        {
            _turn.Release();
        }
    }
}
