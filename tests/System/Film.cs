using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using FlatRender.Contracts;

namespace FlatRender.SystemTests;

/// <summary>A film file that came out of a render, looked at with programs that are not ours.</summary>
public sealed class Film(string path, RenderView view, string notes)
{
    byte[]? _luma, _rgb;

    public string Path => path;
    public JobId JobId => view.JobId;
    public RenderView View => view;

    /// <summary>What the command said on standard error.</summary>
    public string Notes => notes;

    public int Width => view.Width;
    public int Height => view.Height;

    /// <summary>What ffprobe says of it, by counting decoded frames.</summary>
    public async Task<Probed> ProbeAsync()
    {
        var said = await ToolAsync("ffprobe", "-v", "error", "-count_frames", "-show_entries", "stream=codec_name,pix_fmt,width,height,r_frame_rate,avg_frame_rate,nb_read_frames,start_pts,duration_ts,time_base", "-of", "json", path);
        using var facts = JsonDocument.Parse(said);
        var stream = facts.RootElement.GetProperty("streams").EnumerateArray().Single();
        string Text(string name) => stream.GetProperty(name).ToString();
        var tick = Text("time_base").Split('/').Select(p => long.Parse(p, CultureInfo.InvariantCulture)).ToArray();
        var ticks = stream.GetProperty("duration_ts").GetInt64();
        return new(Text("codec_name"), Text("pix_fmt"), $"{Text("width")}x{Text("height")}", int.Parse(Text("nb_read_frames"), CultureInfo.InvariantCulture), Text("r_frame_rate"), Text("avg_frame_rate"), Text("start_pts"), Fraction(ticks * tick[0], tick[1]));
    }

    /// <summary>Reduced, as "numerator/denominator".</summary>
    public static string Fraction(long num, long den)
    {
        var divisor = (long)System.Numerics.BigInteger.GreatestCommonDivisor(num, den);
        return string.Create(CultureInfo.InvariantCulture, $"{num / divisor}/{den / divisor}");
    }

    /// <summary>The names of the outermost boxes, in order.</summary>
    public IReadOnlyList<string> Boxes()
    {
        var bytes = File.ReadAllBytes(path).AsSpan();
        var names = new List<string>();
        for (var at = 0; at < bytes.Length;)
        {
            names.Add(System.Text.Encoding.ASCII.GetString(bytes.Slice(at + 4, 4)));
            var size = BinaryPrimitives.ReadUInt32BigEndian(bytes[at..]);
            at += size >= 8 ? (int)size : throw new InvalidDataException($"A box of {size} bytes at {at}.");
        }
        return names;
    }

    /// <summary>The hash of every decoded frame.</summary>
    public Task<string> FrameHashesAsync() => ToolAsync("ffmpeg", "-v", "error", "-i", path, "-f", "framemd5", "-");

    /// <summary>The luma plane of a decoded frame.</summary>
    public async Task<ReadOnlyMemory<byte>> LumaAsync(int frame)
    {
        _luma ??= await DecodeAsync("yuv420p");
        var plane = Width * Height;
        return _luma.AsMemory(frame * (plane * 3 / 2), plane);
    }

    /// <summary>A decoded frame as RGB, three bytes a pixel.</summary>
    public async Task<Picture> PictureAsync(int frame)
    {
        _rgb ??= await DecodeAsync("rgb24");
        return new(_rgb.AsMemory(frame * Width * Height * 3, Width * Height * 3), Width, Height);
    }

    async Task<byte[]> DecodeAsync(string format)
    {
        using var process = Process.Start(new ProcessStartInfo("ffmpeg", ["-v", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", format, "-"]) { RedirectStandardOutput = true })!;
        using var memory = new MemoryStream();
        await process.StandardOutput.BaseStream.CopyToAsync(memory);
        await process.WaitForExitAsync();
        process.ExitCode.ShouldBe(0, "ffmpeg");
        return memory.ToArray();
    }

    static async Task<string> ToolAsync(string program, params string[] words)
    {
        using var running = Running.Start("/", new Dictionary<string, string?>(), [program, .. words]);
        var said = await running.EndAsync();
        said.ExitCode.ShouldBe(0, $"{said}");
        said.Notes.ShouldBe("", program);
        return said.Output;
    }
}

/// <param name="Seconds">Exactly, as a reduced fraction.</param>
public sealed record Probed(string Codec, string PixelFormat, string Size, int Frames, string Rate, string AverageRate, string Start, string Seconds);

/// <summary>A decoded picture.</summary>
public sealed record Picture(ReadOnlyMemory<byte> Rgb, int Width, int Height)
{
    public (int R, int G, int B) At(int x, int y)
    {
        var pixel = Rgb.Span.Slice((y * Width + x) * 3, 3);
        return (pixel[0], pixel[1], pixel[2]);
    }

    /// <summary>Whether a pixel is this colour, as far as encoding allows.</summary>
    public bool Shows((int R, int G, int B) colour, int x, int y)
    {
        var (r, g, b) = At(x, y);
        return Math.Max(Math.Abs(r - colour.R), Math.Max(Math.Abs(g - colour.G), Math.Abs(b - colour.B))) <= 48;
    }

    /// <summary>The pixels in which two pictures differ visibly.</summary>
    public IEnumerable<(int X, int Y)> DifferencesFrom(Picture other)
    {
        for (var y = 0; y < Height; y++)
            for (var x = 0; x < Width; x++)
                if (!Shows(other.At(x, y), x, y))
                    yield return (x, y);
    }
}
