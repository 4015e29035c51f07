using FlatRender.NodeAgent.Children;
using FlatRender.NodeAgent.Pixels;

namespace FlatRender.NodeAgent.Film;

/// <summary>How decoding went: how many whole frames came out, and what was wrong with the rest (null: nothing).</summary>
sealed record Decoding(int Frames, string? Fault, double Cpu);

/// <summary>One whole frame of a film, planar, left in a file.</summary>
sealed record Still(int Frame, string Path);

/// <summary>Decodes a film frame by frame and stops at the first damage. Without <c>explode</c>, ffmpeg conceals damage and reports success.</summary>
static class Decoder
{
    /// <param name="look">Called with the luma of each frame in order, in the size that <see cref="Luma.Reduced"/> tells: the means that a signature needs are taken where the frame is decoded, for
    /// a pipe full of pixels costs as much as decoding them. The buffer is used again.</param>
    public static async Task<Decoding> Run(Ffmpeg ffmpeg, string path, int width, int height, int threads, Action<int, byte[]> look, Still? still, CancellationToken ct)
    {
        var (across, down) = Luma.Reduced(width, height);
        var means = (across, down) == (width, height) ? "" : $",scale={(across == width ? "iw" : Ffmpeg.Number(across))}:{(down == height ? "ih" : Ffmpeg.Number(down))}:flags=area:in_range=full:out_range=full";
        string[] filters = still is null
            ? ["-filter_complex", $"[0:v:0]extractplanes=y{means}[luma]"]
            : ["-filter_complex", $"[0:v:0]split[all][one];[all]extractplanes=y{means}[luma];[one]select=eq(n\\,{Ffmpeg.Number(still.Frame)})[still]"];
        await using var child = await ffmpeg.Start("The decoder", Path.GetDirectoryName(path)!,
        [
            "-xerror", "-err_detect", "explode", "-threads", Ffmpeg.Number(threads), "-filter_complex_threads", "1", "-i", path, .. filters,
            "-map", "[luma]", "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray", "pipe:1",
            .. still is null ? [] : (string[])["-map", "[still]", "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "yuv420p", still.Path],
        ]);
        using var stop = ct.Register(() => child.Kill("the task was stopped"));
        var size = across * down;
        byte[] frame = new byte[size], next = new byte[size];
        var count = 0;
        var looking = Task.CompletedTask;
        int read;
        while ((read = await child.Output.ReadAtLeastAsync(next, size, throwOnEndOfStream: false, ct)) == size)
        {
            // The next frame is read while this one is looked at.
            await looking;
            (frame, next) = (next, frame);
            var (index, seen) = (count++, frame);
            looking = Task.Run(() => look(index, seen), ct);
        }
        await looking;
        var code = await child.Wait(ct);
        var said = child.Complaints();
        var fault = code != 0 || said.Length > 0 ? child.Obituary() : read > 0 ? $"After {count} frames came {read} bytes that are no whole frame: the picture is not {width}x{height}." : null;
        return new(count, fault, child.Cpu);
    }
}
