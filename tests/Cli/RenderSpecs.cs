using FlatRender.Contracts;
using FlatRender.StandIn;

namespace FlatRender.Cli.Tests;

/// <summary>`render` against the other side of the public REST.</summary>
public sealed class RenderSpecs : IAsyncLifetime
{
    readonly Desk _desk = new();
    StandInHost _host = null!;

    public async Task InitializeAsync() => _host = await _desk.HostAsync();

    public async Task DisposeAsync()
    {
        await _host.DisposeAsync();
        _desk.Dispose();
    }

    string[] FilesLeft => [.. Directory.GetFiles(_desk.Folder).Select(f => Path.GetFileName(f)).Except(["card.json", "card.fields.json", "inputs.json"])];

    [Fact]
    public async Task A_film_is_written_where_it_was_asked_for()
    {
        (await _desk.RenderAsync("card.json", "--set", "title=سلام", "--size", "640x360", "--fps", "30000/1001", "--background", "#102030", "-o", "out.mp4")).ShouldBe(0);
        File.ReadAllText(_desk.Path("out.mp4")).ShouldBe("""{"title":"سلام"}""");
        _desk.Output.ShouldBe($"{_desk.Path("out.mp4")}  640x360, 100 frames at 30000/1001 fps, 3.333 s, 20 B\n");
        _desk.Notes.ShouldContain("warning: title: is too long for its box");
        _desk.Notes.ShouldContain("Rendering  50/100 frames  25 fps  0:02 left");
        FilesLeft.ShouldBe(["out.mp4"]);
        var asked = _host.Asked.Single();
        (asked.Width, asked.Height, asked.Fps, asked.Background).ShouldBe((640, 360, "30000/1001", "#102030"));
    }

    [Fact]
    public async Task Without_a_name_the_film_is_called_as_its_template()
    {
        (await _desk.RenderAsync("card.json")).ShouldBe(0);
        FilesLeft.ShouldBe(["card.mp4"]);
    }

    [Fact]
    public async Task One_json_object_tells_all()
    {
        (await _desk.RenderAsync("card.json", "--json", "--timing")).ShouldBe(0);
        _desk.Json.GetProperty("output").GetString().ShouldBe(_desk.Path("card.mp4"));
        _desk.Json.GetProperty("render").GetProperty("step").GetString().ShouldBe("Done");
        _desk.Json.GetProperty("timing").EnumerateObject().Select(t => t.Name).ShouldBe(["submit", "plan", "render", "follow", "download", "total"]);
        _desk.Notes.ShouldContain("draw frames");
    }

    [Fact]
    public async Task The_hosts_preflight_is_bad_input()
    {
        (await _desk.RenderAsync("card.json", "--set", "refuse=1")).ShouldBe(2);
        _desk.Notes.ShouldContain("error: title: has 900 characters, 80 fit\nerror: lasts 10 hours\ntrace id: trace-7");
        FilesLeft.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_failed_render_tells_code_reason_and_trace()
    {
        (await _desk.RenderAsync("card.json", "--set", "fail=1", "--json")).ShouldBe(1);
        _desk.Notes.ShouldContain("the render failed: AE_REPEATED_CRASH the engine crashed three times");
        _desk.Json.GetProperty("trace_id").GetString().ShouldBe("trace-7");
        _desk.Json.GetProperty("job_id").GetString().ShouldBe($"{_host.Jobs.Single().JobId}");
        FilesLeft.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_film_that_came_short_is_no_film()
    {
        (await _desk.RenderAsync("card.json", "--set", "cut=1")).ShouldBe(1);
        _desk.Notes.ShouldContain("the film came with 11 of 12 bytes");
        FilesLeft.ShouldBeEmpty();
    }

    [Fact]
    public async Task An_interrupted_render_is_cancelled()
    {
        using var stop = new CancellationTokenSource();
        var run = _desk.RunAsync(["render", "card.json", "--set", "wait=1"], stop.Token);
        await Wait.UntilAsync(() => _host.Jobs.SingleOrDefault()?.Step == Step.Rendering);
        await stop.CancelAsync();
        (await run).ShouldBe(Exit.Interrupted);
        _host.Jobs.Single().Step.ShouldBe(Step.Cancelled);
        FilesLeft.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_wrong_token_is_told_as_the_host_tells_it()
    {
        _desk.Variables["FLATRENDER_API_TOKEN"] = "another";
        (await _desk.RenderAsync("card.json")).ShouldBe(1);
        _desk.Notes.ShouldContain("error: UNAUTHENTICATED: The token is not known.\ntrace id: trace-7");
    }

    [Fact]
    public async Task A_host_that_is_not_there_is_told_in_a_line()
    {
        await _host.DisposeAsync();
        (await _desk.RenderAsync("card.json")).ShouldBe(1);
        _desk.Notes.ShouldContain("error: The host does not answer:");
        _desk.Notes.ShouldNotContain("   at ");
    }

    [Fact]
    public async Task Fields_fonts_and_images_beside_the_template_travel_with_it()
    {
        _desk.Write("images/a.png", Desk.Png);
        _desk.Write("fonts/A.ttf", [0, 1, 0, 0, 9, 9]);
        _desk.Write("card.json", """{"layers":[],"assets":[{"id":"a","u":"images/","p":"a.png"},{"id":"b","u":"","p":"data:image/png;base64,AA"},{"id":"c","u":"images/","p":"gone.png"},{"id":"d","layers":[]}]}""");
        _desk.Write("card.fields.json", """{"fields":[{"key":"logo","type":"image","asset":"a"},{"key":"year","type":"text"}],"fonts":{"A-Bold":"fonts/A.ttf"}}""");
        _desk.Write("elsewhere/logo.dat", Desk.Png);
        _desk.Write("elsewhere/inputs.json", """{"logo":"logo.dat","year":1404,"none":null}""");

        (await _desk.RenderAsync("card.json", "--data", "elsewhere/inputs.json", "--set", "year=1405")).ShouldBe(0, _desk.Notes);
        var image = $"data:image/png;base64,{Convert.ToBase64String(Desk.Png)}";
        _host.Bundle.GetProperty("name").GetString().ShouldBe("card");
        _host.Bundle.GetProperty("assets").EnumerateObject().Select(a => (a.Name, a.Value.GetString())).ShouldBe([("images/a.png", image)]);
        _host.Bundle.GetProperty("fonts").GetProperty("A-Bold").GetString().ShouldBe("data:font/ttf;base64,AAEAAAkJ");
        _host.Bundle.GetProperty("fields").GetProperty("fields").GetArrayLength().ShouldBe(2);
        _host.Asked.Single().Inputs.ShouldBe(new Dictionary<string, string> { ["logo"] = image, ["year"] = "1405" }, ignoreOrder: true);
    }

    [Theory]
    [InlineData("../secret.png"), InlineData("/etc/hostname"), InlineData("link/secret.png")]
    public async Task Nothing_outside_the_templates_folder_is_read(string name)
    {
        _desk.Write("secret.png", Desk.Png);
        _desk.Write("template/card.json", $$"""{"layers":[],"assets":[{"id":"a","u":"","p":"{{name}}"}]}""");
        Directory.CreateSymbolicLink(_desk.Path("template/link"), _desk.Folder);
        (await _desk.RenderAsync("template/card.json")).ShouldBe(2);
        _desk.Notes.ShouldContain("outside the template's folder");
        _host.Jobs.ShouldBeEmpty();
    }

    [Fact]
    public void A_deeply_nested_composition_travels_whole()
    {
        var deep = string.Concat(Enumerable.Repeat("{\"it\":[", 100)) + string.Concat(Enumerable.Repeat("]}", 100));
        _desk.Write("card.json", $$"""{"layers":[{{deep}}]}""");
        using var template = new TemplateFile(_desk.Path("card.json"), "card.json", []);
        System.Text.Encoding.UTF8.GetString(template.Bundle()).ShouldContain(deep);
    }

    [Fact]
    public async Task A_job_is_shown_with_its_timeline()
    {
        await _desk.RenderAsync("card.json", "--set", "fail=1");
        var job = _host.Jobs.Single().JobId;
        (await _desk.RunAsync(["jobs", $"{job}"])).ShouldBe(0);
        _desk.Output.ShouldContain("state     Failed");
        _desk.Output.ShouldContain("render.job.queued.v1  submitted");
        (await _desk.RunAsync(["retry", $"{job}", "--reason", "the engine is mended"])).ShouldBe(0);
        _desk.Output.ShouldContain($"{job}  Queued  the engine is mended");
        (await _desk.RunAsync(["jobs"])).ShouldBe(0);
        (await _desk.RunAsync(["jobs", "7"])).ShouldBe(2);
        (await _desk.RunAsync(["jobs", $"{Guid.Empty}"])).ShouldBe(1);
        _desk.Notes.ShouldContain("NOT_FOUND");
    }
}
