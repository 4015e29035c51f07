namespace FlatRender.Gateway.Sockets;

/// <summary>How fast a socket may be spoken to, how fast it may speak, and how long it is waited for.</summary>
/// <param name="Ping">Between two pings.</param>
/// <param name="Pong">After a ping that nobody answers, until the socket is closed.</param>
public sealed record LiveLimits(TimeSpan Ping, TimeSpan Pong)
{
    public static readonly LiveLimits Default = new(TimeSpan.FromSeconds(15), TimeSpan.FromSeconds(30));

    /// <summary>Least time between two progress messages, and between two previews.</summary>
    public TimeSpan Progress { get; init; } = TimeSpan.FromMilliseconds(500);
    public TimeSpan Preview { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Most messages to a socket within a second.</summary>
    public int Burst { get; init; } = 10;

    /// <summary>What the network adds to and takes from the time between two messages: kept free, so that the limits hold where the client measures them.</summary>
    public double Allowance { get; init; } = 1.1;

    /// <summary>Most messages from a socket within a second.</summary>
    public int Calls { get; init; } = 5;

    /// <summary>A socket that goes on speaking too fast for so long, or says so many messages too many, is closed.</summary>
    public TimeSpan Tolerated { get; init; } = TimeSpan.FromSeconds(5);
    public int TooMany { get; init; } = 25;

    /// <summary>Most bytes of one message from a socket.</summary>
    public int CallBytes { get; init; } = 64 << 10;

    /// <summary>Projects whose snapshots one socket may follow.</summary>
    public int Projects { get; init; } = 16;

    /// <summary>For another room's answer to what a client asks.</summary>
    public TimeSpan Answer { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Most state messages that wait for a socket that does not read. Beyond it the socket is cut: the client comes again and its hello says all.</summary>
    public int Waiting { get; init; } = 256;

    /// <summary>After the last message of a render, for a client's word that was already on its way.</summary>
    public TimeSpan Linger { get; init; } = TimeSpan.FromMilliseconds(300);

    /// <summary>For the other side's answer to a close.</summary>
    public TimeSpan Farewell { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How often the store is asked whether a watched render has moved on unheard: facts may be lost between broker and gateway.</summary>
    public TimeSpan Resync { get; init; } = TimeSpan.FromSeconds(5);
}
