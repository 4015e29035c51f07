using System.Text.Json;
using FlatRender.Contracts;
using FlatRender.NodeAgent.Pixels;
using Shouldly;
using Xunit;

namespace FlatRender.NodeAgent.Tests;

/// <summary>A command line as an engine, shown with a stand-in for aerender that leaves an image sequence and calls everything a success.</summary>
public sealed class CommandSpecs : IAsyncLifetime
{
    readonly FilmSpec _film = Farm.Film(96, 64, 12) with { Engine = "aerender" };
    readonly string _desk = Directory.CreateTempSubdirectory("flatrender-command-").FullName;
    Farm _farm = null!;

    public async Task InitializeAsync()
    {
        var plan = Path.Combine(_desk, "aerender.json");
        await File.WriteAllTextAsync(plan, JsonSerializer.Serialize(new
        {
            Command = new[] { "node", Path.Combine(AppContext.BaseDirectory, "engines", "aerender.mjs"), "-project", "{template}", "-s", "{start}", "-e", "{end}", "-output", "{output}/frame_[#####].png" },
            Frame = "frame_%05d.png",
            Version = "stand-in",
        }, Wire.Json));
        _farm = await Farm.Start(slots: 2, engine: ("aerender", plan));
    }

    public async Task DisposeAsync()
    {
        await _farm.DisposeAsync();
        Directory.Delete(_desk, recursive: true);
    }

    string Calls => Path.Combine(_desk, "calls");

    string Project(params (int Frame, string Fault)[] faults) => Project(once: true, faults);

    string Project(bool once, params (int Frame, string Fault)[] faults) => _farm.Host.Store(JsonSerializer.SerializeToElement(new
    {
        width = 96,
        height = 64,
        faults = faults.ToDictionary(f => $"{f.Frame}", f => f.Fault),
        once = once ? Path.Combine(_desk, Path.GetRandomFileName()) : null,
        calls = Calls,
    }));

    RenderTask Rendering(string project, int first = 0, int count = 12) => _farm.Rendering(_film, project, first, count, engine: "aerender");

    [Fact]
    public async Task An_image_sequence_becomes_a_checked_film()
    {
        var project = Project();
        var segments = new[] { (await _farm.Do<TaskRendered>(Rendering(project, 0, 6))).Segment, (await _farm.Do<TaskRendered>(Rendering(project, 6, 6))).Segment };
        var verdict = await _farm.Do<TaskValidated>(new ValidateTask(Farm.Lease(), 1, _farm.Job, _film, project, 60, "aerender", segments[1], [7, 10, 11]));
        (verdict.Reason, verdict.CorruptFrames.Count, verdict.MissingFrames.Count).ShouldBe(("", 0, 0));
        (await _farm.Assemble(_film, project, segments)).Film.ShouldNotBeNull();
        // The checker draws what it wants to see, and nothing else.
        (await File.ReadAllLinesAsync(Calls)).ShouldBe(["0-5", "6-11", "7-7", "10-11"]);
    }

    [Fact]
    public async Task A_placeholder_and_a_missing_frame_are_drawn_once_more_and_they_alone()
    {
        var bad = await _farm.Do<TaskRendered>(Rendering(Project((3, "placeholder"), (7, "missing"), (8, "half"))));
        (await File.ReadAllLinesAsync(Calls)).ShouldBe(["0-11", "3-3", "7-8"]);
        var good = await _farm.Do<TaskRendered>(Rendering(Project()));
        bad.Segment.SegmentDigest.ShouldBe(good.Segment.SegmentDigest);
    }

    [Theory]
    [InlineData("missing", "frame 5 is missing")]
    [InlineData("placeholder", "frame 5 has 1x1 pixels, not 96x64")]
    [InlineData("size", "frame 5 has 48x64 pixels, not 96x64")]
    [InlineData("empty", "frame 5 is empty")]
    [InlineData("half", "frame 5 is half written")]
    [InlineData("damaged", "frame 5 is damaged")]
    [InlineData("exit", "it gave up at frame 5")]
    public async Task A_frame_that_stays_bad_fails_the_task_by_name(string fault, string reason)
    {
        var failed = await _farm.Do<TaskFailed>(Rendering(Project(once: false, (5, fault))));
        failed.Code.ShouldBe("ENGINE_CRASHED");
        failed.Reason.ShouldContain(reason);
    }

    [Fact]
    public async Task What_a_command_cannot_draw_is_refused()
    {
        var between = await _farm.Do<TaskFailed>(Rendering(Project()) with { Film = _film with { FrameStep = "1/2" } });
        (between.Code, between.Reason.Contains("film frame 1 stands at 0.5", StringComparison.Ordinal)).ShouldBe(("TEMPLATE_INVALID", true));
        var placed = await _farm.Do<TaskFailed>(Rendering(Project()) with { Film = _film with { Fit = new(8, 0, 80, 64) } });
        placed.Code.ShouldBe("TEMPLATE_INVALID");
    }

    [Theory]
    [InlineData("rgb24")]
    [InlineData("rgba")]
    [InlineData("gray")]
    [InlineData("ya8")]
    [InlineData("pal8")]
    [InlineData("rgb48be")]
    public async Task A_PNG_of_any_colour_type_is_read_as_ffmpeg_reads_it(string format)
    {
        var path = Path.Combine(_desk, "picture.png");
        Tools.Run("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=46x30", "-vf", $"format=rgba,format={format}", "-frames:v", "1", path);
        var expected = Tools.DecodeRgb(path);
        var read = Png.Read(await File.ReadAllBytesAsync(path), 46, 30, "#000000");
        for (var i = 0; i < 46 * 30; i++)
            for (var channel = 0; channel < 3; channel++) ((int)read[i * 4 + channel]).ShouldBeInRange(expected[i * 3 + channel] - 1, expected[i * 3 + channel] + 1, $"{format}, pixel {i}");
    }
}
