namespace FlatRender.Gateway.Sockets;

/// <summary>What went over this gateway's live sockets.</summary>
public sealed class LiveTally
{
    long _told, _heard;

    /// <summary>Messages sent.</summary>
    public long Told => Volatile.Read(ref _told);

    /// <summary>Messages received, whatever was in them.</summary>
    public long Heard => Volatile.Read(ref _heard);

    internal void Tell() => Interlocked.Increment(ref _told);
    internal void Hear() => Interlocked.Increment(ref _heard);
}
