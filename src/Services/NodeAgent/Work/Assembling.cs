using FlatRender.Contracts;
using FlatRender.NodeAgent.Film;
using FlatRender.NodeAgent.Pixels;

namespace FlatRender.NodeAgent.Work;

/// <summary>Joins the segments, checks the very file that is delivered, frame by frame, and makes its thumbnail.</summary>
static class Assembling
{
    const int ThumbnailWidth = 640, ThumbnailQuality = 82, FetchesAtOnce = 4;

    public static async Task<NodeResult> Run(AssembleTask task, Slot slot, Running running, Stopwatches watches, CancellationToken ct)
    {
        NodeResult Rejected(IEnumerable<int> missing, IEnumerable<int> corrupt, string reason) => new TaskAssembled(task.LeaseId, task.Epoch, watches.Times, null, [.. missing.Order()], [.. corrupt.Order()], reason);
        var segments = task.Segments.OrderBy(s => s.First).ToArray();
        if (Uncovered(segments, task.Film.Frames) is { Length: > 0 } uncovered) return Rejected(uncovered, [], "No segment, or more than one, holds some frames of the film.");

        var fetching = watches.Now;
        var files = new Borrowed?[segments.Length];
        var manifests = new SegmentManifest?[segments.Length];
        var wrongs = new string[segments.Length];
        try
        {
            await Parallel.ForAsync(0, segments.Length, new ParallelOptions { MaxDegreeOfParallelism = FetchesAtOnce, CancellationToken = ct }, async (i, token) =>
            {
                try
                {
                    files[i] = await slot.Fetch(segments[i].SegmentDigest, token);
                    using var manifest = await slot.Fetch(segments[i].ManifestDigest, token);
                    (manifests[i], wrongs[i]) = await SegmentCheck.Read(manifest.Path, segments[i], task, token);
                }
                catch (BlobMissing e)
                {
                    wrongs[i] = e.Message;
                }
            });
            watches.Fetch += watches.Since(fetching);
            var gone = Enumerable.Range(0, segments.Length).Where(i => manifests[i] is null).ToArray();
            if (gone.Length > 0) return Rejected(gone.SelectMany(i => Enumerable.Range(segments[i].First, segments[i].Count)), [], string.Join(' ', gone.Select(i => wrongs[i])));

            using var sound = task.Film.Sound is { } track ? await slot.Fetch(track, ct) : null;
            var path = Path.Combine(slot.Scratch, "film.mp4");
            var joining = watches.Now;
            string? fault = null;
            try
            {
                watches.Cpu(await Joiner.Join(slot.Shop.Ffmpeg, [.. files.Select(f => f!.Path)], sound?.Path, Rate.Of(task.Film), path, ct));
            }
            catch (EncoderFault e)
            {
                fault = e.Message;
            }
            watches.Encode += watches.Since(joining);
            var (problems, thumbnail) = fault is null ? await Check(path, sound?.Path, [.. manifests.SelectMany(m => m!.Frames)], task, slot, running, watches, ct) : ([fault], null);
            if (problems.Count > 0 || thumbnail is null) return await Blame(task, segments, problems, slot, running, watches, Rejected, ct);
            return await Deliver(task, path, thumbnail, slot, watches, ct);
        }
        finally
        {
            foreach (var file in files) file?.Dispose();
        }
    }

    static async Task<(IReadOnlyList<string> Problems, byte[]? Thumbnail)> Check(string path, string? sound, IReadOnlyList<FrameMark> marks, AssembleTask task, Slot slot, Running running, Stopwatches watches, CancellationToken ct)
    {
        var film = task.Film;
        var checking = watches.Now;
        var footage = new Footage(marks, film.Width, film.Height);
        var still = new Still(task.ThumbnailFrame, Path.Combine(slot.Scratch, "still.yuv"));
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var containing = Container.Problems(slot.Shop.Ffmpeg, path, film.Width, film.Height, Rate.Of(film), film.Frames, stop.Token, sound is not null);
        var hearing = sound is null ? Task.FromResult<IReadOnlyList<string>>([]) : SoundTrack.Problems(slot.Shop.Ffmpeg, path, sound, stop.Token);
        var decoding = await Decoder.Run(slot.Shop.Ffmpeg, path, film.Width, film.Height, slot.Shop.Settings.Slots, (i, frame) =>
        {
            watches.OnCpu(() => footage.Look(i, frame));
            running.OneMore();
        }, still, ct);
        var problems = new List<string>([.. await containing, .. await hearing]);
        watches.Cpu(decoding.Cpu);
        watches.Check += watches.Since(checking);
        if (decoding.Fault is { } fault) problems.Add(fault);
        if (decoding.Frames != film.Frames) problems.Add($"The film decodes to {decoding.Frames} frames, not {film.Frames}.");
        if (footage.Corrupt.Count > 0) problems.Add($"The picture is not the drawn one in {string.Join(", ", Footage.Runs(footage.Corrupt))}.");
        if (!Container.StartsFast(path)) problems.Add("The index stands behind the pictures.");
        return (problems, problems.Count == 0 ? await Thumbnail(still, film, watches, ct) : null);
    }

    static async Task<byte[]> Thumbnail(Still still, FilmSpec film, Stopwatches watches, CancellationToken ct)
    {
        var frame = await File.ReadAllBytesAsync(still.Path, ct);
        byte[] jpeg = [];
        watches.OnCpu(() => jpeg = Picture.JpegOfI420(frame, film.Width, film.Height, ThumbnailWidth, ThumbnailQuality));
        return jpeg;
    }

    /// <summary>The film is bad: looks at each segment by itself, so that only what is bad is drawn again.</summary>
    static async Task<NodeResult> Blame(AssembleTask task, IReadOnlyList<SegmentFiles> segments, IReadOnlyList<string> problems, Slot slot, Running running, Stopwatches watches, Func<IEnumerable<int>, IEnumerable<int>, string, NodeResult> rejected, CancellationToken ct)
    {
        List<int> missing = [], corrupt = [];
        var reasons = new List<string>(problems);
        foreach (var segment in segments)
        {
            var verdict = await SegmentCheck.Run(segment, task, slot, running, watches, ct);
            missing.AddRange(verdict.Missing);
            corrupt.AddRange(verdict.Corrupt);
            if (!verdict.Good) reasons.Add(verdict.Reason);
        }
        // Good segments that make a bad film are no frame's fault: drawing them again would not help.
        if (missing.Count + corrupt.Count == 0) throw new EncoderFault($"The segments are good but the film is not. {string.Join(' ', reasons)}");
        return rejected(missing, corrupt, string.Join(' ', reasons));
    }

    static async Task<NodeResult> Deliver(AssembleTask task, string path, byte[] thumbnail, Slot slot, Stopwatches watches, CancellationToken ct)
    {
        var storing = watches.Now;
        var picture = Path.Combine(slot.Scratch, "thumbnail.jpg");
        await File.WriteAllBytesAsync(picture, thumbnail, ct);
        using var film = await slot.Send(path, ct);
        using var still = await slot.Send(picture, ct);
        watches.Store += watches.Since(storing);
        var times = watches.Times;
        return new TaskAssembled(task.LeaseId, task.Epoch, times, new FilmFile(film.Digest, film.Bytes, still.Digest, task.Film.Seconds, task.Film.Frames, times.Cpu), [], [], "");
    }

    /// <summary>Film frames that are not in exactly one segment.</summary>
    static int[] Uncovered(IEnumerable<SegmentFiles> segments, int frames)
    {
        var times = new int[frames];
        foreach (var segment in segments)
            for (var i = Math.Max(0, segment.First); i < Math.Min(frames, segment.First + segment.Count); i++) times[i]++;
        return [.. Enumerable.Range(0, frames).Where(i => times[i] != 1)];
    }
}
