using System.Diagnostics;
using System.Text.Json;
using FlatRender.Contracts;

namespace FlatRender.SystemTests;

/// <summary>Films whose template asks for more than the house's own engine: a sound, another program.</summary>
[Collection(FarmTests.Name)]
public sealed class EngineAndSoundSpecs(Farm farm)
{
    const string SoundLayer = """{"ty":6,"nm":"song","refId":"song","ip":0,"op":9000,"st":0,"au":{"lv":{"a":0,"k":[100,100]}}},""";

    Installation At => farm.At;

    [Fact]
    public async Task A_templates_sound_is_heard_for_exactly_as_long_as_the_film_is_seen()
    {
        using (var tone = Process.Start("ffmpeg", ["-v", "error", "-f", "lavfi", "-i", "sine=frequency=330:duration=1", Path.Combine(At.Desk, "song.wav")]))
            await tone.WaitForExitAsync();
        var template = At.Write("heard.json", SmallLottie.Of(to: "40", rate: "29.97", assets: """[{"id":"song","u":"","p":"song.wav","e":0}]""", layers: SoundLayer));

        var film = await At.RenderAsync(template);

        var streams = await StreamsAsync(film.Path);
        streams.Select(s => s.GetProperty("codec_name").GetString()).ShouldBe(["h264", "aac"]);
        // 40 frames of 1001/30000 s are 64,064 samples at 48 kHz.
        streams[1].GetProperty("duration_ts").GetInt64().ShouldBeInRange(64_062, 64_066);
        streams[0].GetProperty("nb_read_packets").GetString().ShouldBe("40");
        var broken = At.Write("broken.json", SmallLottie.Of(assets: """[{"id":"song","u":"","p":"data:audio/wav;base64,UklGRgAAAABXQVZF","e":1}]""", layers: SoundLayer));
        var refused = await At.RunAsync("render", broken, "-o", Path.Combine(At.Desk, "broken.mp4"));
        (refused.ExitCode, refused.Notes.Contains("song", StringComparison.Ordinal)).ShouldBe((2, true), $"{refused}");
    }

    [Fact]
    public async Task What_asks_for_another_engine_is_drawn_by_the_node_that_has_it()
    {
        var plan = At.Write("aerender.plan.json", JsonSerializer.Serialize(new
        {
            Command = new[] { "node", Path.Combine(Checkout.Root, "tests/NodeAgent/engines/aerender.mjs"), "-project", "{template}", "-s", "{start}", "-e", "{end}", "-output", "{output}/frame_[#####].png" },
            Frame = "frame_%05d.png",
        }, Wire.Json));
        var template = At.Write("composed.json", SmallLottie.Of(to: "30"));
        At.Write("composed.fields.json", """{"fields":[],"engine":"aerender"}""");
        var variables = FlatRender.Cli.Servers.Environment(At.Secrets, connection: null).ToDictionary(v => v.Key, v => (string?)v.Value);
        var agent = Path.Combine(Checkout.Root, "src/Services/NodeAgent/bin/Release/net10.0/FlatRender.NodeAgent.dll");
        using var node = Running.Start(At.Desk, variables, ["dotnet", agent, "--orchestrator", At.Note.Url, "--name", "effects", "--slots", "1", "--home", Path.Combine(At.Desk, "effects"), "--engine", $"aerender={plan}", "--parent-pid", $"{At.Note.Host!.Pid}"]);

        var film = await At.RenderAsync(template);

        (await film.ProbeAsync()).Frames.ShouldBe(30);
        // The stand-in's pictures are its own: green grows with every frame.
        var (first, later) = ((await film.PictureAsync(0)).At(2, 2), (await film.PictureAsync(8)).At(2, 2));
        (first.G < 30, later.G > 150).ShouldBe((true, true), $"{first} {later}");
        Signal.Send(node.Pid, 15);
        (await node.EndAsync()).ExitCode.ShouldBe(0);
    }

    static async Task<JsonElement[]> StreamsAsync(string path)
    {
        using var probe = Running.Start("/", new Dictionary<string, string?>(), ["ffprobe", "-v", "error", "-count_packets", "-show_entries", "stream=codec_name,duration_ts,nb_read_packets", "-of", "json", path]);
        return [.. JsonDocument.Parse((await probe.EndAsync()).Output).RootElement.GetProperty("streams").EnumerateArray()];
    }
}
