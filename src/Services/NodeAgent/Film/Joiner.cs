namespace FlatRender.NodeAgent.Film;

/// <summary>Joins segments without encoding them again.</summary>
static class Joiner
{
    /// <param name="segments">Files in the order of the film.</param>
    /// <param name="sound">A track of the film's length, or null.</param>
    public static async Task<double> Join(Ffmpeg ffmpeg, IReadOnlyList<string> segments, string? sound, Rate rate, string path, CancellationToken ct)
    {
        var folder = Path.GetDirectoryName(path)!;
        var list = Path.Combine(folder, "segments.txt");
        for (var i = 0; i < segments.Count; i++) File.CreateSymbolicLink(Path.Combine(folder, $"segment{i}.mp4"), segments[i]);
        await File.WriteAllLinesAsync(list, ["ffconcat version 1.0", .. segments.Select((_, i) => $"file segment{i}.mp4")], ct);
        var step = Ffmpeg.Number(rate.TicksPerFrame);
        await using var child = await ffmpeg.Start("The joiner", folder,
        [
            "-f", "concat", "-i", list, .. sound is null ? (string[])[] : ["-i", sound], "-map", "0:v:0", .. sound is null ? (string[])[] : ["-map", "1:a:0"], "-c", "copy",
            // The concat reader counts in microseconds: at 30000/1001 it is a tick off after fifty segments. Every frame stands on the film's own grid, so snap to it.
            "-bsf:v", $"setts=pts=round(PTS/{step})*{step}:dts=round(DTS/{step})*{step}:duration={step}",
            "-movflags", "+faststart", .. Ffmpeg.Mp4(rate), path,
        ]);
        if (await child.Wait(ct) != 0) throw new EncoderFault(child.Obituary());
        return child.Cpu;
    }
}
