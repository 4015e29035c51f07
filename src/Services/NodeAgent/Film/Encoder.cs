using FlatRender.NodeAgent.Children;

namespace FlatRender.NodeAgent.Film;

/// <summary>Planar frames in, one closed-GOP mp4 out. One thread and fixed settings: the same frames give the same bytes, whatever else runs.</summary>
sealed class Encoder(Child child, string path) : IAsyncDisposable
{
    /// <summary>Below this many pixels a block's loss shows in single cells of the signature, and bytes are few: such films are encoded finer.</summary>
    const int SmallPixels = 256 * 256;

    public double Cpu => child.Cpu;

    public static async Task<Encoder> Start(Ffmpeg ffmpeg, string path, int width, int height, Rate rate, int frames)
    {
        var n = Ffmpeg.Number(frames);
        return new(await ffmpeg.Start("The encoder", Path.GetDirectoryName(path)!,
        [
            "-f", "rawvideo", "-pixel_format", "yuv420p", "-video_size", $"{width}x{height}", "-framerate", rate.ToString(), "-i", "pipe:0",
            "-c:v", "libx264", "-preset", "veryfast", "-crf", width * height < SmallPixels ? "8" : "18", "-threads", "1", "-g", n, "-keyint_min", n, "-sc_threshold", "0", "-flags:v", "+bitexact+cgop",
            "-pix_fmt", "yuv420p", "-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709", "-color_range", "tv", "-fps_mode", "passthrough",
            .. Ffmpeg.Mp4(rate), path,
        ]), path);
    }

    /// <exception cref="EncoderFault">It ended early.</exception>
    public async Task Write(ReadOnlyMemory<byte> i420, CancellationToken ct)
    {
        try
        {
            await child.Input.WriteAsync(i420, ct);
        }
        catch (IOException)
        {
            await child.Wait(ct);
            throw new EncoderFault(child.Obituary());
        }
    }

    /// <summary>Waits until the file is complete.</summary>
    public async Task Finish(CancellationToken ct)
    {
        child.Input.Close();
        if (await child.Wait(ct) != 0 || !File.Exists(path)) throw new EncoderFault(child.Obituary());
    }

    public ValueTask DisposeAsync() => child.DisposeAsync();
}
