namespace FlatRender.NodeAgent.Film;

/// <summary>The sound of a finished film, held against the track it was given.</summary>
static class SoundTrack
{
    public const int Rate = 48_000;

    /// <summary>Sentences; none when it is that track, and decodes to its end.</summary>
    public static async Task<IReadOnlyList<string>> Problems(Ffmpeg ffmpeg, string film, string sound, CancellationToken ct)
    {
        await using var child = await ffmpeg.Start("The listener", Path.GetDirectoryName(film)!,
        [
            "-xerror", "-err_detect", "explode", "-i", film, "-i", sound,
            "-map", "0:a:0", "-map", "1:a:0", "-c", "copy", "-f", "streamhash", "-hash", "sha256", "pipe:1", "-map", "0:a:0", "-f", "null", "-",
        ]);
        using var stop = ct.Register(() => child.Kill("the task was stopped"));
        using var text = new StreamReader(child.Output);
        var hashes = (await text.ReadToEndAsync(ct)).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l[(l.IndexOf('=') + 1)..]).ToArray();
        var code = await child.Wait(ct);
        if (code != 0 || child.Complaints().Length > 0) return [child.Obituary()];
        return hashes is [var one, var other] && one == other ? [] : ["The sound is not the one that was given."];
    }
}
