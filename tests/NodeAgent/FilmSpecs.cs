using System.Diagnostics;
using System.Text.Json;
using FlatRender.Contracts;
using FlatRender.NodeAgent.Children;
using FlatRender.NodeAgent.Film;
using FlatRender.NodeAgent.Pixels;
using Shouldly;
using Xunit;

namespace FlatRender.NodeAgent.Tests;

/// <summary>Segments and films are exact: count, rate, duration, pixels.</summary>
public sealed class FilmSpecs(SharedFarm shared) : IClassFixture<SharedFarm>
{
    readonly Farm _farm = shared.Farm;
    readonly string _template = shared.Farm.Template(new { name = "plain" });

    public static TheoryData<int, int, int, int> Films => new()
    {
        { 142, 112, 30, 1 }, { 2, 2, 74, 1 }, { 64, 48, 30000, 1001 }, { 64, 48, 25, 2 }, { 90, 160, 60, 1 }, { 4, 200, 24000, 1001 }, { 1920, 1080, 30, 1 },
    };

    [Theory, MemberData(nameof(Films))]
    public async Task Two_segments_make_an_exact_film(int width, int height, int num, int den)
    {
        var frames = width > 1000 ? 6 : 23;
        var film = Farm.Film(width, height, frames, num, den);
        var segments = await Task.WhenAll(_farm.Segment(film, _template, 0, frames - 3), _farm.Segment(film, _template, frames - 3, 3));
        (await _farm.Validate(film, _template, segments[0], 0, frames - 4)).ShouldSatisfyAllConditions(v => v.Reason.ShouldBe(""), v => v.CorruptFrames.ShouldBeEmpty(), v => v.MissingFrames.ShouldBeEmpty());

        var assembled = await _farm.Assemble(film, _template, segments, frames - 1);

        assembled.Reason.ShouldBe("");
        var made = assembled.Film.ShouldNotBeNull();
        made.Frames.ShouldBe(frames);
        var facts = Tools.Probe(_farm.File(made.Digest));
        facts["nb_read_frames"].ShouldBe(frames.ToString());
        facts["codec_name"].ShouldBe("h264");
        facts["pix_fmt"].ShouldBe("yuv420p");
        facts["color_range"].ShouldBe("tv");
        facts["r_frame_rate"].ShouldBe($"{num}/{den}");
        facts["avg_frame_rate"].ShouldBe($"{num}/{den}");
        double.Parse(facts["duration"]).ShouldBe((double)frames * den / num, 1e-6);
        made.SizeBytes.ShouldBe(_farm.Host.Blobs[made.Digest].Length);
        _farm.Host.Blobs[made.ThumbnailDigest][..2].ShouldBe([0xFF, 0xD8]);
    }

    [Fact]
    public async Task A_film_of_many_segments_stays_on_its_grid()
    {
        // At this rate the concat reader's microseconds are a tick off after a dozen segments.
        var film = Farm.Film(32, 32, 16, 120000, 1001);
        var segments = new List<SegmentFiles>();
        foreach (var pair in Enumerable.Range(0, 16).Chunk(2)) segments.AddRange(await Task.WhenAll(pair.Select(i => _farm.Segment(film, _template, i, 1))));

        var made = (await _farm.Assemble(film, _template, segments)).Film.ShouldNotBeNull();

        Tools.Times(_farm.File(made.Digest)).ShouldBe(Enumerable.Range(0, 16).Select(i => i * 1001L));
    }

    [Fact]
    public async Task The_same_frames_give_the_same_bytes_whichever_slot_draws_them()
    {
        var film = Farm.Film(142, 112, 12);
        var twice = await Task.WhenAll(_farm.Segment(film, _template, 0, 12), _farm.Segment(film, _template, 0, 12));
        twice[0].ShouldBe(twice[1]);
        (await _farm.Segment(film, _template, 0, 12)).ShouldBe(twice[0]);
    }

    [Fact]
    public async Task Joined_segments_decode_to_what_each_decodes_to_alone()
    {
        var film = Farm.Film(64, 48, 20, 25, 2);
        var segments = new[] { await _farm.Segment(film, _template, 0, 7), await _farm.Segment(film, _template, 7, 1), await _farm.Segment(film, _template, 8, 12) };
        var made = (await _farm.Assemble(film, _template, segments)).Film.ShouldNotBeNull();
        var alone = segments.SelectMany(s => Tools.Decode(_farm.File(s.SegmentDigest))).ToArray();
        Tools.Decode(_farm.File(made.Digest)).ShouldBe(alone);
    }

    [Theory]
    [InlineData(640, 362, 16, 362)]
    [InlineData(270, 480, 270, 16)]
    [InlineData(250, 100, 250, 100)]
    public async Task Means_taken_by_the_decoder_give_the_signature_of_the_whole_picture(int width, int height, int across, int down)
    {
        Luma.Reduced(width, height).ShouldBe((across, down));
        var film = Farm.Film(width, height, 3);
        var path = _farm.File((await _farm.Segment(film, _farm.Template(new { noise = true }), 0, 3)).SegmentDigest);
        var whole = Tools.Decode(path).Chunk(I420.Size(width, height)).ToArray();
        var still = new Still(1, Path.GetTempFileName());

        var means = new List<byte[]>();
        var decoding = await Decoder.Run(new Ffmpeg(await Confinement.Probe(default), TimeProvider.System), path, width, height, 1, (_, y) => means.Add([.. y]), still, default);

        decoding.ShouldSatisfyAllConditions(d => d.Fault.ShouldBeNull(), d => d.Frames.ShouldBe(3));
        foreach (var (y, i420) in means.Zip(whole))
        {
            byte[] ours = new byte[Luma.Length], exact = new byte[Luma.Length];
            Luma.Signature(y, across, down, ours);
            Luma.Signature(i420.AsSpan(0, width * height), width, height, exact);
            ours.Zip(exact, (a, b) => Math.Abs(a - b)).Max().ShouldBeLessThanOrEqualTo(1);
            exact.Distinct().Count().ShouldBeGreaterThan(5);
        }
        (await File.ReadAllBytesAsync(still.Path)).ShouldBe(whole[1]);
        File.Delete(still.Path);
    }

    [Fact]
    public async Task A_manifest_tells_the_drawn_pixels()
    {
        var film = Farm.Film(16, 16, 2);
        var segment = await _farm.Segment(film, _template, 0, 2);
        var manifest = JsonSerializer.Deserialize<SegmentManifest>(_farm.Host.Blobs[segment.ManifestDigest], Wire.Json)!;
        var drawn = new byte[16 * 16 * 4];
        for (int y = 0, i = 0; y < 16; y++)
            for (var x = 0; x < 16; x++, i += 4) (drawn[i], drawn[i + 1], drawn[i + 2], drawn[i + 3]) = x < 4 && y < 4 ? ((byte)250, (byte)0, (byte)20, (byte)255) : ((byte)(x * 200 / 16), (byte)(y * 200 / 16), (byte)90, (byte)255);
        manifest.Frames[0].Crc32C.ShouldBe(Crc32C.Hex(drawn));
        manifest.Frames.Select(f => f.Index).ShouldBe([0, 1]);
        (manifest.SegmentDigest, manifest.TemplateDigest, manifest.EngineDigest).ShouldBe((segment.SegmentDigest, _template, string.Concat(Enumerable.Repeat("fa", 32))));
    }
}

/// <summary>ffmpeg and ffprobe as an independent opinion.</summary>
static class Tools
{
    public static Dictionary<string, string> Probe(string path) =>
        Text("ffprobe", "-v", "error", "-count_frames", "-show_entries", "stream=codec_name,pix_fmt,width,height,r_frame_rate,avg_frame_rate,nb_read_frames,color_range,duration", "-of", "default=noprint_wrappers=1", path)
            .Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Split('=', 2)).ToDictionary(p => p[0], p => p[1]);

    public static IEnumerable<long> Times(string path) =>
        Text("ffprobe", "-v", "error", "-show_entries", "packet=pts", "-of", "csv=p=0", path).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => long.Parse(l.TrimEnd(','))).Order();

    public static byte[] Decode(string path) => Run("ffmpeg", "-v", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "yuv420p", "-fps_mode", "passthrough", "pipe:1");

    public static byte[] DecodeRgb(string path) => Run("ffmpeg", "-v", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1");

    static string Text(params string[] command) => System.Text.Encoding.UTF8.GetString(Run(command));

    public static byte[] Run(params string[] command)
    {
        using var process = Process.Start(new ProcessStartInfo(command[0], command[1..]) { RedirectStandardOutput = true })!;
        using var bytes = new MemoryStream();
        process.StandardOutput.BaseStream.CopyTo(bytes);
        process.WaitForExit();
        return bytes.ToArray();
    }
}
