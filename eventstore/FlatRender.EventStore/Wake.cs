using System.Threading.Channels;

namespace FlatRender.EventStore;

/// <summary>Wakes who waits for commits of this process. Signals run together: a hundred commits wake a sleeper once.</summary>
public sealed class Wake
{
    Signal[] _facts = [], _agenda = [], _here = [];

    /// <summary>A signal of its own for one reader of facts.</summary>
    public Signal OnFacts() => Added(ref _facts);

    /// <summary>A signal of its own for one reader of the agenda.</summary>
    public Signal OnAgenda() => Added(ref _agenda);

    internal Signal OnCommitsHere() => Added(ref _here);

    internal void Committed(bool facts, bool agenda)
    {
        if (facts) Raise(ref _facts);
        if (agenda) Raise(ref _agenda);
        Raise(ref _here);
    }

    internal void CommittedElsewhere()
    {
        Raise(ref _facts);
        Raise(ref _agenda);
    }

    static void Raise(ref Signal[] signals)
    {
        foreach (var signal in Volatile.Read(ref signals)) signal.Raise();
    }

    static Signal Added(ref Signal[] to)
    {
        var signal = new Signal();
        for (var seen = Volatile.Read(ref to); ;)
        {
            var was = Interlocked.CompareExchange(ref to, [.. seen, signal], seen);
            if (was == seen) return signal;
            seen = was;
        }
    }
}

/// <summary>A coalesced signal with one waiter.</summary>
public sealed class Signal
{
    readonly Channel<bool> _raised = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    public void Raise() => _raised.Writer.TryWrite(true);

    /// <summary>Returns when raised since the last wait, or after <paramref name="atMost"/>.</summary>
    public async Task WaitAsync(TimeSpan atMost, TimeProvider clock, CancellationToken cancel)
    {
        if (_raised.Reader.TryRead(out _)) return;
        using var timer = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var raised = _raised.Reader.WaitToReadAsync(timer.Token).AsTask();
        await Task.WhenAny(raised, Task.Delay(atMost, clock, timer.Token));
        await timer.CancelAsync();
        cancel.ThrowIfCancellationRequested();
        _raised.Reader.TryRead(out _);
    }
}
