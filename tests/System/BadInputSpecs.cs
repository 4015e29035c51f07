using System.Net;
using System.Net.Sockets;

namespace FlatRender.SystemTests;

/// <summary>What cannot be rendered is refused in words, with exit code 2, and leaves no trace.</summary>
[Collection(FarmTests.Name)]
public sealed class BadInputSpecs(Farm farm)
{
    Installation At => farm.At;

    [Fact]
    public Task Not_json() => RefusedAsync(Bad("{\"v\": \"5.7.0\", layers"), [], "is not JSON");

    [Fact]
    public Task Json_that_is_no_Lottie() => RefusedAsync(Bad("""{"name":"package","version":"1.0.0"}"""), [], "no Lottie composition");

    [Theory]
    [InlineData("0", "48", "width")]
    [InlineData("64", "-48", "height")]
    public Task A_composition_without_a_size(string width, string height, string named) => RefusedAsync(Bad(SmallLottie.Of(width, height)), [], named);

    [Theory]
    [InlineData("0x100")]
    [InlineData("100x-100")]
    [InlineData("99999x99999")]
    public Task A_size_that_is_none(string size) => RefusedAsync(Bad(SmallLottie.Of()), ["--size", size], size.StartsWith('9') ? "16384" : "--size");

    [Fact]
    public Task Ten_hours() => RefusedAsync(Bad(SmallLottie.Of(rate: "30", to: "1080000")), [], "36000 seconds long");

    [Fact]
    public async Task A_hundred_megabytes()
    {
        var path = Path.Combine(At.Desk, "bad.json");
        await using (var file = File.Create(path))
            file.SetLength(100_000_000);
        await RefusedAsync(path, [], "100.0 MB");
    }

    [Fact]
    public Task An_unknown_field() => RefusedAsync(Checkout.TitleCard, ["--set", "headline=Hello"], "headline");

    [Fact]
    public Task A_missing_image_of_a_field() => RefusedAsync(Checkout.TitleCard, ["--set", "logo=nowhere.png"], "nowhere.png", "does not exist");

    [Fact]
    public Task A_missing_image_of_the_composition() =>
        RefusedAsync(Bad(SmallLottie.Of(assets: """[{"id":"photo","w":10,"h":10,"u":"images/","p":"nowhere.png","e":0}]""", layers: SmallLottie.ImageLayer)), [], "nowhere.png");

    [Fact]
    public Task An_unknown_option() => RefusedAsync(Bad(SmallLottie.Of()), ["--sizes", "10x10"], "--sizes");

    [Fact]
    public Task A_template_that_is_not_there() => RefusedAsync(Path.Combine(At.Desk, "nowhere.json"), [], "no such file");

    [Fact]
    public Task An_output_in_no_folder() => RefusedAsync(Bad(SmallLottie.Of()), ["-o", "nowhere/film.mp4"], "does not exist");

    [Fact]
    public Task An_output_that_is_a_folder() => RefusedAsync(Bad(SmallLottie.Of()), ["-o", "/"], "is a folder");

    [Fact]
    public Task All_that_is_wrong_is_said_at_once() =>
        RefusedAsync(Bad("[]"), ["--size", "big", "--fps", "-3", "--set", "title", "--frames", "-o", "nowhere/film.mp4"], "no Lottie", "--size", "--fps", "--set", "--frames", "nowhere");

    [Fact]
    public Task All_that_the_host_finds_wrong_is_said_at_once() =>
        RefusedAsync(Checkout.TitleCard, ["--set", "headline=Hello", "--set", "accent=red", "--set", $"title={new string('x', 90)}"], "headline", "accent", "title");

    [Fact]
    public async Task A_refusal_of_a_render_that_started_its_servers_stops_them()
    {
        await using var at = new Installation();
        var said = await at.RunAsync("render", at.Write("bad.json", SmallLottie.Of(to: "1080000")));
        said.ExitCode.ShouldBe(2, $"{said}");
        at.Processes().ShouldBeEmpty();
        Directory.GetFiles(at.Desk).Select(Path.GetFileName).ShouldBe(["bad.json"]);
    }

    [Fact]
    public async Task A_port_that_is_taken()
    {
        await using var at = new Installation();
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        var port = ((IPEndPoint)other.LocalEndpoint).Port;
        var said = await at.RunAsync("up", "--port", $"{port}");
        said.ExitCode.ShouldBe(2, $"{said}");
        said.Notes.ShouldContain($"port {port} is in use");
        said.Notes.ShouldNotContain("   at ");
        at.Processes().ShouldBeEmpty();
    }

    [Fact]
    public async Task A_data_folder_on_a_full_disk()
    {
        var small = Directory.CreateTempSubdirectory("flatrender-small-disk-").FullName;
        using var mount = Running.Start("/", new Dictionary<string, string?>(), "mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", small);
        var mounted = (await mount.EndAsync()).ExitCode == 0;
        try
        {
            // Who may not mount has no small disk to fill: a file in the folder's place cannot be written either.
            if (!mounted)
                File.WriteAllText(Path.Combine(small, "home"), "");
            await using var at = new Installation(Path.Combine(small, "home"));
            var said = await at.RunAsync("render", at.Write("card.json", SmallLottie.Of()));
            said.ExitCode.ShouldBe(2, $"{said}");
            said.Notes.ShouldContain(mounted ? "no disk space for the data folder" : "cannot be written");
            said.Notes.ShouldNotContain("   at ");
            at.Processes().ShouldBeEmpty();
            Directory.GetFiles(at.Desk).Select(Path.GetFileName).ShouldBe(["card.json"]);
        }
        finally
        {
            if (mounted)
            {
                using var unmount = Running.Start("/", new Dictionary<string, string?>(), "umount", small);
                await unmount.EndAsync();
            }
            Directory.Delete(small, recursive: true);
        }
    }

    string Bad(string template) => At.Write("bad.json", template);

    async Task RefusedAsync(string template, string[] options, params string[] sentences)
    {
        var before = await TracesAsync();
        var said = await At.RunAsync(["render", template, .. options.Contains("-o") ? [] : new[] { "-o", "bad.mp4" }, .. options]);
        said.ExitCode.ShouldBe(2, $"{said}");
        foreach (var sentence in sentences)
            said.Notes.Split('\n').ShouldContain(line => line.StartsWith("error: ", StringComparison.Ordinal) && line.Contains(sentence, StringComparison.Ordinal), $"{sentence} in: {said}");
        said.Notes.ShouldNotContain("   at ");
        said.Output.ShouldBe("");
        (await TracesAsync()).ShouldBe(before);
    }

    /// <summary>Whatever a refusal could leave: files on the desk, half-made files, jobs, children.</summary>
    async Task<IReadOnlyList<string>> TracesAsync()
    {
        var scratch = Path.Combine(At.Home.Folder, "files/scratch");
        return
        [
            .. Directory.GetFileSystemEntries(At.Desk).Where(f => Path.GetFileName(f) != "bad.json").Order(StringComparer.Ordinal),
            .. Directory.Exists(scratch) ? Directory.GetFiles(scratch) : [],
            // The farm's node is on its way beside this and may tell of itself meanwhile.
            $"{(await At.Book.FactsAsync()).Count(f => f.Type.StartsWith("render.", StringComparison.Ordinal))} facts of renders",
            .. At.Processes().Select(p => p.Words).Where(w => w.Contains("prepare.mjs", StringComparison.Ordinal) || w.Contains("ffmpeg", StringComparison.Ordinal)),
        ];
    }
}
