using System.Text.Json;
using FlatRender.Contracts;
using Shouldly;
using Xunit;

namespace FlatRender.NodeAgent.Tests;

/// <summary>With the real engine: a film of a composition, checked and drawn again.</summary>
public sealed class SkottieSpecs
{
    [Fact]
    public async Task A_composition_becomes_a_film()
    {
        var script = Script();
        Directory.Exists(Path.Combine(Path.GetDirectoryName(script)!, "node_modules")).ShouldBeTrue("Install the engine's packages first: npm install --ignore-scripts in src/Services/NodeAgent/skottie");
        await using var farm = await Farm.Start(engine: ("skottie", script));
        var film = new FilmSpec(320, 180, 20, 30000, 1001, "#204060", new(40, 0, 240, 180), "1/2");
        var template = farm.Host.Store(JsonDocument.Parse(Slide).RootElement);

        var segments = await Task.WhenAll(new[] { 0, 10 }.Select(first => farm.Do<TaskRendered>(farm.Rendering(film, template, first, 10, engine: "skottie"))));
        foreach (var rendered in segments)
        {
            var verdict = await farm.Do<TaskValidated>(new ValidateTask(Farm.Lease(), 1, farm.Job, film, template, 60, "skottie", rendered.Segment, [rendered.Segment.First, rendered.Segment.First + 9]));
            (verdict.Reason, verdict.CorruptFrames.Count, verdict.MissingFrames.Count).ShouldBe(("", 0, 0));
        }
        var made = (await farm.Assemble(film, template, [.. segments.Select(s => s.Segment)], 10)).Film.ShouldNotBeNull();

        // The background is at the left edge; the composition's red square has moved half a step a frame into the middle.
        var rgb = Tools.DecodeRgb(farm.File(made.Digest));
        Near(rgb, 320, 180, 0, 5, 90).ShouldBe((0x20, 0x40, 0x60));
        Near(rgb, 320, 180, 0, 50, 90).ShouldBe((255, 0, 0));
        Near(rgb, 320, 180, 19, 50, 90).ShouldBe((0x20, 0x40, 0x60));
        Near(rgb, 320, 180, 19, 150, 90).ShouldBe((255, 0, 0));
    }

    /// <summary>A pixel, rounded to the colours above where it is within coding distance.</summary>
    static (int, int, int) Near(byte[] rgb, int width, int height, int frame, int x, int y)
    {
        var at = ((frame * height + y) * width + x) * 3;
        (int R, int G, int B)[] known = [(255, 0, 0), (0x20, 0x40, 0x60)];
        var pixel = (R: (int)rgb[at], G: (int)rgb[at + 1], B: (int)rgb[at + 2]);
        return known.FirstOrDefault(k => Math.Abs(k.R - pixel.R) + Math.Abs(k.G - pixel.G) + Math.Abs(k.B - pixel.B) < 24, pixel);
    }

    static string Script()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var script = Path.Combine(folder.FullName, "src", "Services", "NodeAgent", "skottie", "engine.mjs");
            if (File.Exists(script)) return script;
        }
        throw new FileNotFoundException("src/Services/NodeAgent/skottie/engine.mjs is not above the tests.");
    }

    const string Slide = """
        {"v":"5.7.0","fr":30,"ip":0,"op":20,"w":240,"h":180,"nm":"slide","ddd":0,"assets":[],"layers":[
        {"ddd":0,"ind":1,"ty":1,"nm":"square","sr":1,"ks":{"o":{"a":0,"k":100},"r":{"a":0,"k":0},"p":{"a":1,"k":[
        {"t":0,"s":[20,90,0],"i":{"x":[1],"y":[1]},"o":{"x":[0],"y":[0]}},{"t":10,"s":[120,90,0]}]},"a":{"a":0,"k":[20,20,0]},"s":{"a":0,"k":[100,100,100]}},
        "ao":0,"sw":40,"sh":40,"sc":"#ff0000","ip":0,"op":20,"st":0,"bm":0}]}
        """;
}
