using FlatRender.Contracts;

namespace FlatRender.NodeAgent.Work;

/// <summary>A task that a slot works on, as seen from outside: how far it is, and its off switch.</summary>
sealed class Running(NodeTask task, TimeProvider clock) : IDisposable
{
    readonly CancellationTokenSource _abort = new(), _deadline = new(TimeSpan.FromSeconds(task.DeadlineSeconds), clock);
    readonly long _started = clock.GetTimestamp();
    int _done;
    string? _preview;

    public NodeTask Task => task;
    public CancellationToken Aborted => _abort.Token;
    public CancellationToken Overdue => _deadline.Token;
    public string AbortReason { get; private set; } = "";
    public int Done => Volatile.Read(ref _done);
    public double FramesPerSecond => Math.Round(Done / Math.Max(0.001, clock.GetElapsedTime(_started).TotalSeconds), 2);

    public void OneMore() => Interlocked.Increment(ref _done);

    public void Show(string preview) => Volatile.Write(ref _preview, preview);

    /// <summary>The newest preview, once.</summary>
    public string? TakePreview() => Interlocked.Exchange(ref _preview, null);

    public void Abort(string reason)
    {
        if (AbortReason.Length == 0) AbortReason = reason;
        try
        {
            _abort.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // It ended while we looked: there is nothing left to stop.
        }
    }

    public void Dispose()
    {
        _abort.Dispose();
        _deadline.Dispose();
    }
}
