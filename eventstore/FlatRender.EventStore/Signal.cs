using System.Threading.Channels;

namespace FlatRender.EventStore;

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
