using System.Text.Json;
using FlatRender.Contracts;
using Shouldly;
using Xunit;

namespace FlatRender.NodeAgent.Tests;

/// <summary>No broken frame passes: whatever is done to a segment is found, and named by film frame.</summary>
public sealed class DamageSpecs(SharedFarm shared) : IClassFixture<SharedFarm>, IAsyncLifetime
{
    const int First = 10, Count = 8;
    readonly FilmSpec _film = Farm.Film(160, 120, 30);
    readonly Farm _farm = shared.Farm;
    readonly string _template = shared.Farm.Template(new { name = "plain" });
    SegmentFiles _segment = null!;

    public async Task InitializeAsync() => _segment = await _farm.Segment(_film, _template, First, Count);

    public Task DisposeAsync() => Task.CompletedTask;

    byte[] Bytes => _farm.Host.Blobs[_segment.SegmentDigest];
    SegmentManifest Manifest => JsonSerializer.Deserialize<SegmentManifest>(_farm.Host.Blobs[_segment.ManifestDigest], Wire.Json)!;

    /// <summary>The segment with other bytes, its manifest made to fit: what a node with a broken encoder would send.</summary>
    SegmentFiles With(byte[] bytes)
    {
        var digest = _farm.Host.Store(bytes);
        return _segment with { SegmentDigest = digest, ManifestDigest = _farm.Host.Store(Manifest with { SegmentDigest = digest }) };
    }

    SegmentFiles With(Func<SegmentManifest, SegmentManifest> spoil) => _segment with { ManifestDigest = _farm.Host.Store(spoil(Manifest)) };

    Task<TaskValidated> Validate(SegmentFiles segment, params int[] samples) => _farm.Validate(_film, _template, segment, samples);

    [Fact]
    public async Task A_good_segment_passes()
    {
        var verdict = await Validate(_segment, 10, 13, 17);
        (verdict.Reason, verdict.MissingFrames.Count, verdict.CorruptFrames.Count).ShouldBe(("", 0, 0));
    }

    [Fact]
    public async Task Flipped_bits_in_the_pictures_are_found()
    {
        var start = Bytes.AsSpan().IndexOf("mdat"u8) + 700;
        var random = new Random(5);
        foreach (var _ in Enumerable.Range(0, 4))
        {
            var bytes = Bytes.ToArray();
            // A flip is damage only where it changes a picture: ffmpeg, lenient, says whether it did.
            bytes[random.Next(start, bytes.Length - 1400)] ^= (byte)(1 << random.Next(8));
            var verdict = await Validate(With(bytes));
            var path = Path.Combine(_farm.Folder, "flipped.mp4");
            await File.WriteAllBytesAsync(path, bytes);
            if (!Tools.Decode(path).AsSpan().SequenceEqual(Tools.Decode(_farm.File(_segment.SegmentDigest)))) Seen(verdict);
        }

        static void Seen(TaskValidated verdict)
        {
            verdict.CorruptFrames.Count.ShouldBeGreaterThan(0);
            verdict.CorruptFrames.ShouldBeSubsetOf(Enumerable.Range(First, Count));
            verdict.Reason.ShouldNotBeEmpty();
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(100)]
    [InlineData(-200)]
    [InlineData(-3)]
    public async Task A_truncated_segment_is_found(int length)
    {
        var verdict = await Validate(With(Bytes[..(length < 0 ? Bytes.Length + length : length)]));
        verdict.CorruptFrames.Concat(verdict.MissingFrames).Order().ShouldBe(Enumerable.Range(First, Count));
        verdict.Reason.ShouldNotBeEmpty();
    }

    [Fact]
    public async Task Another_piece_of_the_film_is_found()
    {
        var other = await _farm.Segment(_film, _template, First + 1, Count);
        (await Validate(With(_farm.Host.Blobs[other.SegmentDigest]))).CorruptFrames.ShouldBe(Enumerable.Range(First, Count));
    }

    [Fact]
    public async Task A_frame_too_few_is_missing_by_its_number()
    {
        var other = await _farm.Segment(_film, _template, First, Count - 1);
        var verdict = await Validate(With(_farm.Host.Blobs[other.SegmentDigest]));
        verdict.MissingFrames.ShouldBe([First + Count - 1]);
        verdict.CorruptFrames.ShouldBeEmpty();
    }

    [Fact]
    public async Task Two_exchanged_frames_are_found()
    {
        var verdict = await Validate(With(m => m with { Frames = [.. m.Frames.Select((f, i) => i == 2 ? m.Frames[5] with { Index = f.Index } : i == 5 ? m.Frames[2] with { Index = f.Index } : f)] }));
        verdict.CorruptFrames.ShouldBe([First + 2, First + 5]);
    }

    [Fact]
    public async Task One_damaged_cell_is_found()
    {
        var verdict = await Validate(With(m => m with { Frames = [.. m.Frames.Select((f, i) => i == 3 ? f with { Signature = Shift(f.Signature, 100, 16) } : f)] }));
        verdict.CorruptFrames.ShouldBe([First + 3]);

        static string Shift(string signature, int cell, int by)
        {
            var bytes = Convert.FromBase64String(signature);
            bytes[cell] += (byte)by;
            return Convert.ToBase64String(bytes);
        }
    }

    [Fact]
    public async Task A_missing_file_is_missing_frames()
    {
        var gone = _segment with { SegmentDigest = new string('0', 64) };
        var verdict = await Validate(gone with { ManifestDigest = _farm.Host.Store(Manifest with { SegmentDigest = gone.SegmentDigest }) });
        verdict.MissingFrames.ShouldBe(Enumerable.Range(First, Count));
        (await Validate(_segment with { ManifestDigest = new string('1', 64) })).MissingFrames.ShouldBe(Enumerable.Range(First, Count));
    }

    [Fact]
    public async Task A_manifest_about_something_else_is_no_manifest()
    {
        (await Validate(With(m => m with { JobId = new(Guid.NewGuid()) }))).MissingFrames.Count.ShouldBe(Count);
        (await Validate(With(m => m with { Frames = [.. m.Frames.Skip(1)] }))).MissingFrames.Count.ShouldBe(Count);
        (await Validate(_segment with { ManifestDigest = _farm.Host.Store("{\"frames\":"u8.ToArray()) })).MissingFrames.Count.ShouldBe(Count);
    }

    [Fact]
    public async Task A_faithfully_encoded_wrong_picture_is_found_by_drawing_it_again()
    {
        var once = Path.Combine(_farm.Folder, "once");
        var template = _farm.Template(new { faults = new Dictionary<string, string> { ["12"] = "flip" }, once });
        var segment = await _farm.Segment(_film, template, First, Count);
        (await _farm.Validate(_film, template, segment)).CorruptFrames.ShouldBeEmpty();
        (await _farm.Validate(_film, template, segment, 11, 12)).CorruptFrames.ShouldBe([12]);
    }

    [Theory]
    [InlineData("black")]
    [InlineData("repeat")]
    public async Task A_picture_that_looks_wrong_is_drawn_again_without_being_asked_for(string fault)
    {
        var template = _farm.Template(new { faults = new Dictionary<string, string> { ["14"] = fault }, once = Path.Combine(_farm.Folder, fault) });
        (await _farm.Validate(_film, template, await _farm.Segment(_film, template, First, Count), 11)).CorruptFrames.ShouldBe([14]);
    }

    [Fact]
    public async Task A_checker_that_errs_itself_accuses_nobody()
    {
        var once = Path.Combine(_farm.Folder, "checker");
        await File.WriteAllTextAsync(once, "not yet");
        var template = _farm.Template(new { faults = new Dictionary<string, string> { ["12"] = "flip" }, once });
        var segment = await _farm.Segment(_film, template, First, Count);
        File.Delete(once);
        var verdict = await _farm.Validate(_film, template, segment, [.. Enumerable.Range(First, Count)]);
        verdict.CorruptFrames.ShouldBeEmpty();
        verdict.Warnings.ShouldHaveSingleItem().ShouldContain("frame 12");
    }

    [Fact]
    public async Task A_file_that_the_nodes_own_disk_has_damaged_is_fetched_anew()
    {
        var path = Path.Combine(_farm.Settings.Home, "files", _segment.SegmentDigest);
        var bytes = await File.ReadAllBytesAsync(path);
        bytes[^40] ^= 1;
        await File.WriteAllBytesAsync(path, bytes);
        (await Validate(_segment)).Reason.ShouldBe("");
        (await File.ReadAllBytesAsync(path)).ShouldBe(Bytes);
    }

    [Fact]
    public async Task Repeated_and_blank_frames_are_told_but_pass()
    {
        var template = _farm.Template(new { faults = new Dictionary<string, string> { ["11"] = "repeat", ["14"] = "black" } });
        var verdict = await _farm.Validate(_film, template, await _farm.Segment(_film, template, First, Count));
        verdict.CorruptFrames.ShouldBeEmpty();
        verdict.Warnings.ShouldBe(["Blank: frame 14.", "Same as the frame before: frame 11."]);
    }

    [Fact]
    public async Task A_film_with_a_bad_segment_names_its_frames_and_is_not_delivered()
    {
        var film = _film with { Frames = 18 };
        var before = await _farm.Segment(film, _template, 0, First);
        var start = Bytes.AsSpan().IndexOf("mdat"u8);
        var bytes = Bytes.ToArray();
        bytes.AsSpan(start + 1200, 60).Fill(0xA5);
        var verdict = await _farm.Assemble(film, _template, [before, With(bytes)]);
        verdict.Film.ShouldBeNull();
        verdict.CorruptFrames.Concat(verdict.MissingFrames).ShouldNotBeEmpty();
        verdict.CorruptFrames.Concat(verdict.MissingFrames).ShouldBeSubsetOf(Enumerable.Range(First, Count));
        (await _farm.Assemble(film, _template, [before])).MissingFrames.ShouldBe(Enumerable.Range(First, Count));
        (await _farm.Assemble(film, _template, [before, _segment])).Film.ShouldNotBeNull();
    }
}
