using FlatRender.Contracts;
using FlatRender.NodeAgent.Children;
using FlatRender.NodeAgent.Pixels;

namespace FlatRender.NodeAgent.Work;

/// <summary>Checks another node's segment, and draws sampled frames again: an encoder can be faithful to a picture that was drawn wrong.</summary>
static class Validating
{
    public static async Task<NodeResult> Run(ValidateTask task, Slot slot, Running running, Stopwatches watches, CancellationToken ct)
    {
        var verdict = await SegmentCheck.Run(task.Segment, task, slot, running, watches, ct);
        var corrupt = new SortedSet<int>(verdict.Corrupt);
        var reason = verdict.Reason;
        if (verdict.Manifest is { } manifest && verdict.Good && task.SampleFrames.Count > 0)
        {
            var different = await Redraw(task, manifest, slot, watches, ct);
            if (different.Count > 0) reason = $"Drawn again, the picture is another in {string.Join(", ", Footage.Runs(different))}.";
            corrupt.UnionWith(different);
        }
        return new TaskValidated(task.LeaseId, task.Epoch, watches.Times, [.. verdict.Missing], [.. corrupt], reason, verdict.Warnings);
    }

    /// <summary>Sampled frames that come out otherwise.</summary>
    static async Task<IReadOnlyList<int>> Redraw(ValidateTask task, SegmentManifest manifest, Slot slot, Stopwatches watches, CancellationToken ct)
    {
        var engine = await slot.EngineFor(Rendering.SceneOf(task, task.Engine), watches, ct);
        var samples = task.SampleFrames.Where(f => f >= manifest.First && f < manifest.First + manifest.Count).Distinct().Order().ToArray();
        var different = await Differing(samples, task, manifest, engine, watches, ct);
        if (different.Count == 0) return [];
        // A few templates draw a frame by what was drawn before it: only what differs in the renderer's own order is wrong.
        var inOrder = await Differing([.. Enumerable.Range(manifest.First, different.Max() - manifest.First + 1)], task, manifest, engine, watches, ct);
        return [.. different.Where(inOrder.Contains)];
    }

    /// <summary>Those of the frames that are not as they were drawn: by checksum where engine and hardware are the renderer's, else by signature.</summary>
    static async Task<HashSet<int>> Differing(IReadOnlyList<int> frames, ValidateTask task, SegmentManifest manifest, Engine engine, Stopwatches watches, CancellationToken ct)
    {
        var (width, height) = (task.Film.Width, task.Film.Height);
        var exact = engine.Digest == manifest.EngineDigest && Hardware.Architecture == manifest.Architecture;
        var step = FrameStep.Parse(task.Film.FrameStep);
        using var kill = engine.KilledBy(ct);
        using var rgba = new Buffers(width * height * 4);
        var picture = new byte[I420.Size(width, height)];
        var different = new HashSet<int>();
        var drawing = watches.Now;
        var cpu = engine.Cpu;
        await engine.Draw([.. frames.Select(i => (i, step.At(i)))], width * height * 4, rgba.Rent, (index, pixels) =>
        {
            var (again, drawn) = (Rendering.Mark(index, pixels, width, height, picture), manifest.Frames[index - manifest.First]);
            var same = exact ? again.Crc32C == drawn.Crc32C
                : Tolerance.Of(width, height).Covers(Convert.FromBase64String(again.Signature), Convert.FromBase64String(drawn.Signature));
            if (!same) different.Add(index);
            rgba.Return(pixels);
            return ValueTask.CompletedTask;
        }, ct);
        watches.Draw += watches.Since(drawing);
        watches.Cpu(engine.Cpu - cpu);
        return different;
    }
}
