namespace FlatRender.Gateway.Sockets;

/// <summary>How fast a client speaks. Used by its socket's reader alone.</summary>
sealed class CallMeter(Pace pace)
{
    readonly long[] _heard = Pace.Moments(pace.Limits.Calls);
    int _oldest, _over;
    long _since, _last = Pace.Never, _complained = Pace.Never;

    public enum Verdict
    {
        /// <summary>To be answered.</summary>
        Fine,
        /// <summary>Not answered, and said so.</summary>
        Complain,
        /// <summary>Not answered; it was said so within this second.</summary>
        TooFast,
        /// <summary>It has gone on for too long.</summary>
        Enough,
    }

    public Verdict Count()
    {
        var now = pace.Now;
        if (now - _heard[_oldest] >= pace.Second)
        {
            _heard[_oldest] = now;
            _oldest = (_oldest + 1) % _heard.Length;
            return Verdict.Fine;
        }

        // Two calm seconds and all is forgiven.
        if (now - _last > 2 * pace.Second) (_since, _over) = (now, 0);
        _last = now;
        if (++_over > pace.Limits.TooMany || now - _since >= pace.Tolerated) return Verdict.Enough;
        if (now - _complained < pace.Second) return Verdict.TooFast;
        _complained = now;
        return Verdict.Complain;
    }
}
