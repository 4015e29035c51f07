using System.Collections.Concurrent;
using FlatRender.Contracts;

namespace FlatRender.Gateway.Messages;

/// <summary>How much one socket, or one person over all sockets, has under way, and how fast it asks: so many at once, and so many more each second.</summary>
sealed class Allowance(TimeProvider clock)
{
    readonly Lock _gate = new();
    double _left = double.MaxValue;
    long _at = clock.GetTimestamp();
    int _inFlight;

    public int InFlight => Volatile.Read(ref _inFlight);

    /// <summary>Sockets of the person; kept by the hub.</summary>
    public int Sockets { get; set; }

    /// <returns>Whether one message more may come now.</returns>
    public bool Take(int perSecond)
    {
        lock (_gate)
        {
            var now = clock.GetTimestamp();
            _left = Math.Min(perSecond, _left + clock.GetElapsedTime(_at, now).TotalSeconds * perSecond);
            _at = now;
            if (_left < 1) return false;
            _left--;
            return true;
        }
    }

    /// <returns>Whether one request more may be under way.</returns>
    public bool Enter(int most)
    {
        if (Interlocked.Increment(ref _inFlight) <= most) return true;
        Interlocked.Decrement(ref _inFlight);
        return false;
    }

    public void Leave() => Interlocked.Decrement(ref _inFlight);
}

/// <summary>The people at this gateway's sockets: counted while they have a socket that has named them.</summary>
sealed class People(TimeProvider clock)
{
    readonly ConcurrentDictionary<UserId, Allowance> _people = new();
    readonly Lock _gate = new();

    public int Count => _people.Count;

    public Allowance Enter(UserId id)
    {
        lock (_gate)
        {
            var allowance = _people.GetOrAdd(id, _ => new Allowance(clock));
            allowance.Sockets++;
            return allowance;
        }
    }

    public void Leave(UserId id)
    {
        lock (_gate)
            if (_people.TryGetValue(id, out var allowance) && --allowance.Sockets == 0) _people.TryRemove(id, out _);
    }
}
