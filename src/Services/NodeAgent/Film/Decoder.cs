using FlatRender.NodeAgent.Children;
using FlatRender.NodeAgent.Pixels;

namespace FlatRender.NodeAgent.Film;

/// <summary>How decoding went: how many whole frames came out, and what was wrong with the rest (null: nothing).</summary>
sealed record Decoding(int Frames, string? Fault, double Cpu);

/// <summary>Decodes a film frame by frame and stops at the first damage. Without <c>explode</c>, ffmpeg conceals damage and reports success.</summary>
static class Decoder
{
    /// <param name="look">Called with each frame in order, planar; the buffer is used again.</param>
    public static async Task<Decoding> Run(Ffmpeg ffmpeg, string path, int width, int height, int threads, Action<int, byte[]> look, CancellationToken ct)
    {
        await using var child = await ffmpeg.Start("The decoder", Path.GetDirectoryName(path)!,
        [
            "-xerror", "-err_detect", "explode", "-threads", Ffmpeg.Number(threads), "-i", path, "-map", "0:v:0", "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "yuv420p", "pipe:1",
        ]);
        using var stop = ct.Register(() => child.Kill("the task was stopped"));
        var size = I420.Size(width, height);
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
