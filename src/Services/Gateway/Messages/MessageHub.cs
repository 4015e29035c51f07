using System.Collections.Concurrent;
using FlatRender.Foundation;

namespace FlatRender.Gateway.Messages;

/// <summary>The message sockets of this gateway, and what they share.</summary>
sealed class MessageHub(MessageRoutes routes, ICarrier carrier, Tokens tokens, MessageTally tally, TimeProvider clock)
{
    readonly ConcurrentDictionary<MessageSocket, byte> _sockets = new();
    volatile bool _leaving;
    int _places;

    public ICarrier Carrier => carrier;
    public Tokens Tokens => tokens;
    public MessageTally Tally => tally;
    public TimeProvider Clock => clock;
    public People People { get; } = new(clock);

    /// <summary>As it is now; a reload changes it between two requests.</summary>
    public MessagePlan Plan => routes.Plan;

    public int Sockets => Volatile.Read(ref _places);
    public int InFlight => _sockets.Keys.Sum(s => s.InFlight);

    /// <summary>Taken before the socket opens: of those that knock together no more come in than one after the other.</summary>
    /// <returns>Whether there is a place; then it is given back.</returns>
    public bool TakePlace()
    {
        if (Interlocked.Increment(ref _places) <= Plan.Limits.Sockets) return true;
        GivePlace();
        return false;
    }

    public void GivePlace() => Interlocked.Decrement(ref _places);

    public void Enter(MessageSocket socket)
    {
        _sockets[socket] = 0;
        if (_leaving) socket.SendAway();
    }

    public void Leave(MessageSocket socket) => _sockets.TryRemove(socket, out _);

    /// <summary>The house closes: everybody is sent on to another gateway.</summary>
    public void SendAllAway()
    {
        _leaving = true;
        foreach (var (socket, _) in _sockets) socket.SendAway();
    }
}
