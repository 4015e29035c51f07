namespace FlatRender.Cli.Tests;

/// <summary>What is wrong with a request is told before anything is started: there is no host here at all.</summary>
public sealed class BadInputSpecs : IDisposable
{
    readonly Desk _desk = new();

    public void Dispose() => _desk.Dispose();

    [Fact]
    public async Task All_problems_are_listed_at_once()
    {
        (await _desk.RenderAsync("nowhere.json", "--size", "0x5", "--fps", "fast", "--background", "red", "--set", "novalue", "-o", "no/such/film.mp4", "--turbo")).ShouldBe(2);
        _desk.Notes.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Split(' ')[1]).ShouldBe(
            ["--turbo:", "--size:", "--fps:", "--background:", "nowhere.json:", "--set:", "--output:"]);
        Directory.Exists(_desk.Path("home")).ShouldBeFalse();
    }

    [Theory]
    [InlineData("not JSON {", "is not JSON")]
    [InlineData("""{"w":1}""", "no Lottie composition")]
    [InlineData("[]", "no Lottie composition")]
    public async Task A_template_must_be_a_composition(string text, string said)
    {
        (await _desk.RenderAsync(_desk.Write("bad.json", text))).ShouldBe(2);
        _desk.Notes.ShouldContain(said);
    }

    [Fact]
    public async Task A_template_of_100_MB_is_refused_unread()
    {
        using (var big = File.Create(_desk.Path("big.json")))
            big.SetLength(100 << 20);
        (await _desk.RenderAsync("big.json")).ShouldBe(2);
        _desk.Notes.ShouldContain("104.9 MB: at most 67.1 MB");
    }

    [Theory]
    [InlineData("0x0"), InlineData("-5x5"), InlineData("5"), InlineData("x"), InlineData("5x5x5"), InlineData("1.5x2"), InlineData("99999999999x2")]
    public async Task A_size_is_whole_pixels(string size)
    {
        (await _desk.RenderAsync("card.json", $"--size={size}")).ShouldBe(2);
        _desk.Notes.ShouldContain("--size:");
    }

    [Theory]
    [InlineData("0"), InlineData("-1"), InlineData("30/0"), InlineData("1/2/3"), InlineData("1e3"), InlineData("NaN")]
    public async Task A_rate_is_above_zero(string fps)
    {
        (await _desk.RenderAsync("card.json", $"--fps={fps}")).ShouldBe(2);
        _desk.Notes.ShouldContain("--fps:");
    }

    [Fact]
    public async Task The_film_does_not_replace_a_folder_a_device_or_its_template()
    {
        foreach (var output in new[] { _desk.Folder, "/dev/null", "card.json" })
            (await _desk.RenderAsync("card.json", "-o", output)).ShouldBe(2, output);
        File.ReadAllText(_desk.Path("card.json")).ShouldBe(Desk.SmallLottie);
    }

    [Fact]
    public async Task The_film_wants_a_folder_that_can_be_written()
    {
        // Not even root may write there.
        (await _desk.RenderAsync("card.json", "-o", "/sys/film.mp4")).ShouldBe(2);
        _desk.Notes.ShouldContain("/sys/film.mp4 cannot be written");
    }

    [Fact]
    public async Task Image_files_are_looked_at_before_the_render()
    {
        _desk.Write("card.fields.json", """{"fields":[{"key":"logo","type":"image","asset":"a"},{"key":"badge","type":"image","asset":"b"},{"key":"photo","type":"image","asset":"c"}]}""");
        _desk.Write("text.png", "no picture");
        using (var big = File.Create(_desk.Path("big.png")))
            big.SetLength(21_000_000);
        (await _desk.RenderAsync("card.json", "--set", "logo=gone.png", "--set", "badge=text.png", "--set", "photo=big.png")).ShouldBe(2);
        _desk.Notes.ShouldContain("logo: the image file 'gone.png' does not exist");
        _desk.Notes.ShouldContain("badge: 'text.png' is no PNG, JPEG, WebP or GIF image");
        _desk.Notes.ShouldContain("photo: the image file 'big.png' is larger than 20.0 MB");
    }

    [Fact]
    public async Task Inputs_are_a_flat_object()
    {
        _desk.Write("inputs.json", """{"title":{"deep":1},"list":[1]}""");
        (await _desk.RenderAsync("card.json", "--data", "inputs.json")).ShouldBe(2);
        _desk.Notes.ShouldContain("title: a field's value is a text");
        _desk.Notes.ShouldContain("list: a field's value is a text");
    }

    [Fact]
    public async Task With_json_the_problems_are_one_object()
    {
        (await _desk.RenderAsync("nowhere.json", "--json", "--fps", "0")).ShouldBe(2);
        _desk.Json.GetProperty("exit_code").GetInt32().ShouldBe(2);
        _desk.Json.GetProperty("errors").EnumerateArray().Select(e => e.GetProperty("code").GetString()).ShouldBe(["BAD_OPTION", "TEMPLATE_MISSING"]);
    }
}
