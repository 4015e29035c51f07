using System.Text.Json;
using FlatRender.Contracts;
using FlatRender.NodeAgent.Film;

namespace FlatRender.NodeAgent.Work;

/// <summary>What a look at one segment found.</summary>
sealed record SegmentVerdict(SegmentManifest? Manifest, IReadOnlyList<int> Missing, IReadOnlyList<int> Corrupt, string Reason, IReadOnlyList<string> Warnings)
{
    public bool Good => Missing.Count == 0 && Corrupt.Count == 0;
}

/// <summary>Checks a segment: its files are there and are what they were, it decodes without a complaint, and each frame is the one that was drawn.</summary>
static class SegmentCheck
{
    /// <summary>All of it: files, container, and every frame decoded.</summary>
    public static Task<SegmentVerdict> Run(SegmentFiles segment, NodeTask task, Slot slot, Running running, Stopwatches watches, CancellationToken ct) =>
        Open(segment, task, slot, watches, (film, manifest) => Look(film, manifest, task, slot, running, watches, ct), ct);

    /// <summary>That the files are there, and are what they were when they were made: whoever decodes the finished film sees the rest.</summary>
    public static Task<SegmentVerdict> Files(SegmentFiles segment, NodeTask task, Slot slot, Stopwatches watches, CancellationToken ct) =>
        Open(segment, task, slot, watches, (_, manifest) => Task.FromResult(new SegmentVerdict(manifest, [], [], "", new Footage(manifest.Frames, task.Film.Width, task.Film.Height).Warnings())), ct);

    static async Task<SegmentVerdict> Open(SegmentFiles segment, NodeTask task, Slot slot, Stopwatches watches, Func<string, SegmentManifest, Task<SegmentVerdict>> look, CancellationToken ct)
    {
        var all = Enumerable.Range(segment.First, segment.Count).ToArray();
        SegmentVerdict Gone(string reason) => new(null, all, [], reason, []);
        var fetching = watches.Now;
        try
        {
            using var manifestFile = await slot.Fetch(segment.ManifestDigest, ct);
            using var film = await slot.Fetch(segment.SegmentDigest, ct);
            watches.Fetch += watches.Since(fetching);
            var (manifest, wrong) = await Read(manifestFile.Path, segment, task, ct);
            return manifest is null ? Gone(wrong) : await look(film.Path, manifest);
        }
        catch (BlobMissing e)
        {
            return Gone(e.Message);
        }
    }

    static async Task<SegmentVerdict> Look(string path, SegmentManifest manifest, NodeTask task, Slot slot, Running running, Stopwatches watches, CancellationToken ct)
    {
        var checking = watches.Now;
        var (width, height) = (task.Film.Width, task.Film.Height);
        var footage = new Footage(manifest.Frames, width, height);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var containing = Container.Problems(slot.Shop.Ffmpeg, path, width, height, Rate.Of(task.Film), manifest.Count, stop.Token);
        var decoding = await Decoder.Run(slot.Shop.Ffmpeg, path, width, height, 1, (i, frame) =>
        {
            watches.OnCpu(() => footage.Look(i, frame));
            running.OneMore();
        }, still: null, ct);
        var problems = await containing;
        watches.Cpu(decoding.Cpu);
        watches.Check += watches.Since(checking);

        var unseen = Enumerable.Range(manifest.First, manifest.Count).Skip(decoding.Frames).ToArray();
        // A decoder that stopped at damage says nothing of what follows: all of it is suspect. One that ended in peace with too few frames has none to show.
        int[] missing = decoding.Fault is null ? unseen : [], corrupt = decoding.Fault is null ? [.. footage.Corrupt] : [.. footage.Corrupt, .. unseen];
        var reasons = new List<string>();
        if (footage.Corrupt.Count > 0) reasons.Add($"The picture is not the drawn one in {string.Join(", ", Footage.Runs(footage.Corrupt))}.");
        if (decoding.Fault is { } fault) reasons.Add(fault);
        if (missing.Length > 0) reasons.Add($"There is no {string.Join(", ", Footage.Runs(missing))}.");
        reasons.AddRange(problems);
        // Damage that no frame can be blamed for: a wrong clock, a frame too many, a complaint at the very end.
        if (reasons.Count > 0 && missing.Length + corrupt.Length == 0) corrupt = [.. Enumerable.Range(manifest.First, manifest.Count)];
        return new(manifest, missing, corrupt, string.Join(' ', reasons), footage.Warnings());
    }

    /// <summary>The manifest when it is about this segment, else what is wrong with it.</summary>
    public static async Task<(SegmentManifest? Manifest, string Wrong)> Read(string path, SegmentFiles segment, NodeTask task, CancellationToken ct)
    {
        SegmentManifest? manifest;
        try
        {
            await using var file = File.OpenRead(path);
            manifest = await JsonSerializer.DeserializeAsync<SegmentManifest>(file, Wire.Json, ct);
        }
        catch (JsonException e)
        {
            return (null, $"The manifest of {Of(segment)} cannot be read: {e.Message}");
        }
        var fits = manifest is not null
            && (manifest.JobId, manifest.First, manifest.Count, manifest.Width, manifest.Height) == (task.JobId, segment.First, segment.Count, task.Film.Width, task.Film.Height)
            && (manifest.SegmentDigest, manifest.TemplateDigest) == (segment.SegmentDigest, task.TemplateDigest)
            && manifest.Frames is { } frames && frames.Select(f => f.Index).SequenceEqual(Enumerable.Range(segment.First, segment.Count))
            && frames.All(f => f.Signature is { } s && Convert.TryFromBase64String(s, new byte[Pixels.Luma.Length], out var length) && length == Pixels.Luma.Length);
        return fits ? (manifest, "") : (null, $"The manifest of {Of(segment)} is about something else.");
    }

    static string Of(SegmentFiles segment) => $"frames {segment.First}-{segment.First + segment.Count - 1}";
}
