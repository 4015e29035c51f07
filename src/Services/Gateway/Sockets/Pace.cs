namespace FlatRender.Gateway.Sockets;

/// <summary>The limits as ticks of the clock's own counter, worked out once for all sockets.</summary>
sealed class Pace(LiveLimits limits, TimeProvider clock)
{
    public LiveLimits Limits => limits;
    public TimeProvider Clock => clock;
    public LiveTally Tally { get; } = new();

    /// <summary>A second as the limit of messages understands it.</summary>
    public long Window { get; } = Ticks(TimeSpan.FromSeconds(limits.Allowance), clock);

    /// <summary>Between two beats of a render, and between two that carry a picture: longer than any socket's own limit, so that sockets seldom wait.</summary>
    public long BeatEvery { get; } = Ticks(limits.Progress * limits.Allowance, clock);
    public long PictureEvery { get; } = Ticks(limits.Preview * limits.Allowance, clock);

    public long Progress { get; } = Ticks(limits.Progress, clock);
    public long Preview { get; } = Ticks(limits.Preview, clock);
    public long Ping { get; } = Ticks(limits.Ping, clock);
    public long Pong { get; } = Ticks(limits.Pong, clock);
    public long Linger { get; } = Ticks(limits.Linger, clock);
    public long Farewell { get; } = Ticks(limits.Farewell, clock);
    public long Tolerated { get; } = Ticks(limits.Tolerated, clock);
    public long Second { get; } = Ticks(TimeSpan.FromSeconds(1), clock);

    /// <summary>Before everything.</summary>
    public const long Never = long.MinValue / 2;

    public long Now => clock.GetTimestamp();

    /// <summary>The moments of so many last messages, none yet.</summary>
    public static long[] Moments(int size)
    {
        var moments = new long[size];
        Array.Fill(moments, Never);
        return moments;
    }

    public long Ticks(TimeSpan time) => Ticks(time, clock);

    /// <summary>Rounded up: who waits so long finds the time to have passed.</summary>
    public TimeSpan Span(long ticks) => TimeSpan.FromMilliseconds(Math.Ceiling(ticks * 1000.0 / clock.TimestampFrequency));

    static long Ticks(TimeSpan time, TimeProvider clock) => (long)(time.TotalSeconds * clock.TimestampFrequency);
}
