using FlatRender.Contracts;
using FlatRender.NodeAgent.Children;
using FlatRender.NodeAgent.Pixels;

namespace FlatRender.NodeAgent.Work;

/// <summary>Checks another node's segment, and draws frames again: an encoder can be faithful to a picture that was drawn wrong.</summary>
static class Validating
{
    public static async Task<NodeResult> Run(ValidateTask task, Slot slot, Running running, Stopwatches watches, CancellationToken ct)
    {
        var verdict = task.Decode
            ? await SegmentCheck.Run(task.Segment, task, slot, running, watches, ct)
            : await SegmentCheck.Files(task.Segment, task, slot, watches, ct);
        var corrupt = new SortedSet<int>(verdict.Corrupt);
        var (reason, warnings) = (verdict.Reason, verdict.Warnings);
        if (verdict.Manifest is { } manifest && verdict.Good && task.SampleFrames.Count > 0)
        {
            var (different, doubt) = await Redraw(task, manifest, slot, running, watches, ct);
            if (different.Count > 0) reason = $"Drawn again, the picture is another in {string.Join(", ", Footage.Runs(different))}.";
            if (doubt.Length > 0) warnings = [.. warnings, doubt];
            corrupt.UnionWith(different);
        }
        return new TaskValidated(task.LeaseId, task.Epoch, watches.Times, [.. verdict.Missing], [.. corrupt], reason, warnings);
    }

    /// <summary>Sampled and suspicious frames that come out otherwise, and what a second look has cleared.</summary>
    static async Task<(IReadOnlyList<int> Different, string Doubt)> Redraw(ValidateTask task, SegmentManifest manifest, Slot slot, Running running, Stopwatches watches, CancellationToken ct)
    {
        var scene = Rendering.SceneOf(task, task.Engine);
        int[] again = [.. task.SampleFrames.Concat(Suspicion.Frames(manifest.Frames)).Where(f => f >= manifest.First && f < manifest.First + manifest.Count).Distinct().Order()];
        var different = await Differing(again, task, manifest, await slot.EngineFor(scene, watches, ct), running, watches, ct);
        if (different.Count == 0) return ([], "");
        // Two drawings disagree, and either may be wrong. A third decides, by an engine that has drawn nothing yet, in the renderer's own order:
        // a few templates draw a frame by what was drawn before it.
        var third = await Differing([.. Enumerable.Range(manifest.First, different.Max() - manifest.First + 1)], task, manifest, await slot.FreshEngineFor(scene, watches, ct), running, watches, ct);
        int[] wrong = [.. different.Where(third.Contains).Order()];
        var cleared = different.Except(wrong).ToArray();
        return (wrong, cleared.Length == 0 ? "" : $"Drawn again, {string.Join(", ", Footage.Runs(cleared))} came out otherwise once, but not a second time.");
    }

    /// <summary>Those of the frames that are not as they were drawn: by checksum where engine and hardware are the renderer's, else by signature.</summary>
    static async Task<HashSet<int>> Differing(IReadOnlyList<int> frames, ValidateTask task, SegmentManifest manifest, Engine engine, Running running, Stopwatches watches, CancellationToken ct)
    {
        var (width, height) = (task.Film.Width, task.Film.Height);
        var exact = engine.Digest == manifest.EngineDigest && Hardware.Architecture == manifest.Architecture;
        var step = FrameStep.Parse(task.Film.FrameStep);
        using var kill = engine.KilledBy(ct);
        var picture = new byte[I420.Size(width, height)];
        var different = new HashSet<int>();
        var drawing = watches.Now;
        var cpu = engine.Cpu;
        var looking = Task.CompletedTask;
        try
        {
            await engine.Draw([.. frames.Select(i => (i, step.At(i)))], width * height * 4, async (index, pixels) =>
            {
                // The next frame is drawn while this one is looked at.
                await looking;
                looking = Task.Run(() => watches.OnCpu(() =>
                {
                    using var rgba = pixels;
                    if (!Same(rgba.Memory.Span, manifest.Frames[index - manifest.First])) different.Add(index);
                    running.OneMore();
                }), CancellationToken.None);
            }, ct);
        }
        finally
        {
            await looking;
        }
        watches.Draw += watches.Since(drawing);
        watches.Cpu(engine.Cpu - cpu);
        return different;

        bool Same(ReadOnlySpan<byte> rgba, FrameMark drawn)
        {
            if (exact) return Crc32C.Hex(rgba) == drawn.Crc32C;
            var again = Rendering.Mark(drawn.Index, rgba, width, height, picture);
            return Tolerance.Of(width, height).Covers(Convert.FromBase64String(again.Signature), Convert.FromBase64String(drawn.Signature));
        }
    }
}
