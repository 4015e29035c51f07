using System.Net.WebSockets;

namespace FlatRender.Gateway.Sockets;

/// <summary>
/// What one socket is still to be sent, and when it may be. State messages wait in line and are never dropped; of progress only the latest waits. Nobody who tells
/// it something ever waits for the socket: whoever finds it idle sends, and goes on when the network has taken it.
/// </summary>
sealed class Outbox(WebSocket socket, Pace pace, Action cut)
{
    readonly Lock _gate = new();
    readonly long[] _sent = Pace.Moments(pace.Limits.Burst);
    Queue<ReadOnlyMemory<byte>>? _waiting;
    Beat? _beat;
    ITimer? _timer;
    int _oldest;
    long _seq, _progressAt = Pace.Never, _pictureAt = Pace.Never, _farewellAt, _leaveBy = long.MaxValue;
    (int Code, string Reason)? _farewell;
    bool _sending, _saidBye, _ended;

    /// <summary>After this moment a socket that was told good-bye and does not go is cut.</summary>
    public long LeaveBy => Volatile.Read(ref _leaveBy);

    /// <summary>Nothing that is told from now on will be sent.</summary>
    public bool IsClosing
    {
        get
        {
            lock (_gate) return _farewell is not null || _ended;
        }
    }

    /// <summary>A message that must arrive. Progress told before it is older, and forgotten.</summary>
    public void Tell(ReadOnlyMemory<byte> message, long seq = 0)
    {
        lock (_gate)
        {
            if (_farewell is not null || _ended) return;
            Line(message, seq);
        }

        if (_ended) cut();
        else Push();
    }

    /// <summary>The last message and the farewell behind it, at once: who has read the one, to them the socket is closing.</summary>
    public void TellLast(ReadOnlyMemory<byte> message, long seq, int code, string reason, long linger)
    {
        lock (_gate)
        {
            if (_farewell is not null || _ended) return;
            Line(message, seq);
            Part(code, reason, linger);
        }

        if (_ended) cut();
        else Push();
    }

    void Line(ReadOnlyMemory<byte> message, long seq)
    {
        (_waiting ??= new()).Enqueue(message);
        if (seq > 0) (_seq, _beat) = (Math.Max(_seq, seq), null);
        // It has not read for long. Its client comes again, and is told all in one hello.
        if (_waiting.Count > pace.Limits.Waiting) _ended = true;
    }

    /// <summary>Progress: it takes the place of what was not sent yet.</summary>
    public void Offer(Beat beat)
    {
        lock (_gate)
        {
            if (_farewell is not null || _ended || beat.Seq < _seq) return;
            _beat = beat;
        }

        Push();
    }

    /// <summary>Closes when all that was told before has been sent, and not sooner than after <paramref name="linger"/>.</summary>
    public void Close(int code, string reason, long linger = 0)
    {
        lock (_gate)
        {
            if (_farewell is not null || _ended) return;
            Part(code, reason, linger);
        }

        Push();
    }

    void Part(int code, string reason, long linger)
    {
        _farewell = (code, reason);
        _beat = null;
        _farewellAt = pace.Now + linger;
        _leaveBy = _farewellAt + pace.Farewell + (_waiting?.Count ?? 0) / pace.Limits.Burst * pace.Window;
    }

    /// <summary>An error may still be told while a farewell lingers.</summary>
    public void TellLate(ReadOnlyMemory<byte> message)
    {
        lock (_gate)
        {
            if (_ended) return;
            (_waiting ??= new()).Enqueue(message);
        }

        Push();
    }

    /// <summary>The framework has said good-bye for us: the other side may take as long to go as after ours.</summary>
    public void Leave()
    {
        lock (_gate) (_ended, _leaveBy) = (true, pace.Now + pace.Farewell);
    }

    /// <summary>The socket is gone, or going: nothing is sent any more.</summary>
    /// <returns>Whether we have said good-bye.</returns>
    public bool End()
    {
        lock (_gate)
        {
            _ended = true;
            _timer?.Dispose();
            return _saidBye;
        }
    }

    void Push()
    {
        ReadOnlyMemory<byte> next;
        bool bye;
        lock (_gate)
        {
            if (_sending || !Take(out next, out bye)) return;
            _sending = true;
        }

        _ = SendAsync(next, bye);
    }

    async Task SendAsync(ReadOnlyMemory<byte> next, bool bye)
    {
        try
        {
            while (!bye)
            {
                // Not cancellable: that is the fast way through; a socket that hangs is cut.
                await socket.SendAsync(next, WebSocketMessageType.Text, true, CancellationToken.None);
                pace.Tally.Tell();
                lock (_gate)
                    if (!Take(out next, out bye))
                    {
                        _sending = false;
                        return;
                    }
            }

            await socket.CloseOutputAsync((WebSocketCloseStatus)_farewell!.Value.Code, _farewell.Value.Reason, CancellationToken.None);
        }
        catch (Exception e) when (Outbox.IsGone(e))
        {
            End();
            cut();
        }
    }

    /// <summary>What may be sent now; where something may be sent later, the timer is set to that moment.</summary>
    bool Take(out ReadOnlyMemory<byte> next, out bool bye)
    {
        (next, bye) = (default, false);
        if (_ended) return false;
        var now = pace.Now;
        var something = _waiting is { Count: > 0 };
        if (something || _beat is not null)
        {
            var free = _sent[_oldest] + pace.Window;
            if (!something) free = Math.Max(free, _progressAt + pace.Progress);
            if (free > now) return Later(free - now);
            _sent[_oldest] = now;
            _oldest = (_oldest + 1) % _sent.Length;
            if (something)
            {
                next = _waiting!.Dequeue();
                return true;
            }

            var picture = _beat!.HasPicture && now - _pictureAt >= pace.Preview;
            next = _beat.Bytes(picture);
            _beat = null;
            _progressAt = now;
            if (picture) _pictureAt = now;
            return true;
        }

        if (_farewell is null) return false;
        if (_farewellAt > now) return Later(_farewellAt - now);
        bye = _saidBye = _ended = true;
        return true;
    }

    /// <summary>The other side has gone, or we have cut it off: no fault of anything here.</summary>
    public static bool IsGone(Exception e) => e is WebSocketException or IOException or OperationCanceledException or ObjectDisposedException;

    bool Later(long ticks)
    {
        var wait = pace.Span(ticks);
        if (_timer is null) _timer = pace.Clock.CreateTimer(static outbox => ((Outbox)outbox!).Push(), this, wait, Timeout.InfiniteTimeSpan);
        else _timer.Change(wait, Timeout.InfiniteTimeSpan);
        return false;
    }
}
