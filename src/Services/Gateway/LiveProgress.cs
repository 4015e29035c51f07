using System.Collections.Concurrent;
using FlatRender.Contracts;

namespace FlatRender.Gateway;

/// <summary>The last word on each running render: what a view shows beyond its facts.</summary>
public sealed class LiveProgress
{
    readonly ConcurrentDictionary<JobId, RenderProgress> _latest = new();

    /// <summary>More than ever run at once. A word that comes after its render's end stays behind; so many of them are forgotten together, and the living speak again at once.</summary>
    const int Most = 50_000;

    /// <summary>To count them is to lock them all: it is done once in so many words.</summary>
    const int CountEvery = 4096;

    int _notes;

    public void Note(RenderProgress progress)
    {
        if (Interlocked.Increment(ref _notes) % CountEvery == 0 && _latest.Count > Most) _latest.Clear();
        // A picture is for those who watch; nobody asks for it afterwards.
        _latest[progress.JobId] = progress.Preview is null ? progress : progress with { Preview = null };
    }

    public RenderProgress? Latest(JobId id) => _latest.GetValueOrDefault(id);

    /// <summary>The render has ended.</summary>
    public void Forget(JobId id) => _latest.TryRemove(id, out _);

    public RenderView Complete(RenderView view)
    {
        if (Step.IsTerminal(view.Step))
        {
            Forget(view.JobId);
            return view;
        }

        return _latest.TryGetValue(view.JobId, out var live)
            ? view with
            {
                CurrentFrame = live.FramesDone,
                Progress = live.TotalFrames == 0 ? 0 : (int)(100L * live.FramesDone / live.TotalFrames),
                EtaSeconds = live.EtaSeconds,
                FramesPerSecond = live.FramesPerSecond,
                ActiveNodes = live.ActiveNodes,
            }
            : view;
    }
}
