using System.Collections.Concurrent;
using FlatRender.Contracts;
using MassTransit;

namespace FlatRender.Gateway;

/// <summary>The last word on each running render: what a view shows beyond its facts.</summary>
public sealed class LiveProgress
{
    readonly ConcurrentDictionary<JobId, RenderProgress> _latest = new();

    public void Note(RenderProgress progress) => _latest[progress.JobId] = progress;

    public RenderView Complete(RenderView view)
    {
        if (Step.IsTerminal(view.Step))
        {
            _latest.TryRemove(view.JobId, out _);
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

public sealed class ProgressConsumer(LiveProgress live) : IConsumer<RenderProgress>
{
    public Task Consume(ConsumeContext<RenderProgress> context)
    {
        live.Note(context.Message);
        return Task.CompletedTask;
    }
}
