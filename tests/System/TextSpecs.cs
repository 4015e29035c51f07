namespace FlatRender.SystemTests;

/// <summary>What a person typed is in the film, where it belongs.</summary>
[Collection(FarmTests.Name)]
public sealed class TextSpecs(Farm farm)
{
    // Five frames a second; in the 18th all has arrived.
    const int Arrived = 18;
    static readonly string[] s_small = ["--size", "480x270", "--fps", "5"];

    [Fact]
    public async Task Another_title_changes_the_film_in_the_titles_box_only()
    {
        var one = await farm.OnceAsync(Checkout.TitleCard, [.. s_small, "--set", "title=Hello there"]);
        var two = await farm.OnceAsync(Checkout.TitleCard, [.. s_small, "--set", "title=Brave new\nfilms"]);
        var changed = (await one.PictureAsync(Arrived)).DifferencesFrom(await two.PictureAsync(Arrived)).ToArray();
        changed.Length.ShouldBeGreaterThan(400);
        // The layer stands at (150, 367) then, its box is 900x300; the film is a quarter of the composition.
        changed.ShouldAllBe(p => p.X >= 37 && p.X < 263 && p.Y >= 91 && p.Y < 167);
    }

    [Fact]
    public async Task A_Persian_greeting_is_in_the_film()
    {
        var one = await farm.OnceAsync(Checkout.Nowruz, s_small);
        var two = await farm.OnceAsync(Checkout.Nowruz, [.. s_small, "--set", "title=سال نو مبارک"]);
        one.Notes.ShouldNotContain("warning", Case.Insensitive);
        two.Notes.ShouldNotContain("warning", Case.Insensitive);
        var changed = (await one.PictureAsync(Arrived)).DifferencesFrom(await two.PictureAsync(Arrived)).ToArray();
        changed.Length.ShouldBeGreaterThan(400);
        // Centred at (960, 500), which is its base line, in letters 190 high; the film is a quarter of that.
        changed.ShouldAllBe(p => p.Y >= 78 && p.Y < 150);
        (changed.Min(p => p.X) + changed.Max(p => p.X)).ShouldBeInRange(470, 490);
    }

    [Fact]
    public async Task A_plain_file_takes_texts_by_layer_name()
    {
        var one = await farm.FilmOfAsync("DynamicText.json");
        var two = await farm.OnceAsync(Checkout.Real("DynamicText.json"), "--size", "320x", "--fps", "5", "--set", "NAME=Zoë");
        var changed = (await one.PictureAsync(0)).DifferencesFrom(await two.PictureAsync(0)).ToArray();
        changed.Length.ShouldBeGreaterThan(40);
        // The layer stands at (10.5, 15) of 150, and its letters are 14 high.
        changed.ShouldAllBe(p => p.X >= 18 && p.Y <= 40 && p.X < 160);
    }

    [Fact]
    public async Task A_text_too_long_for_its_box_is_rendered_with_a_warning()
    {
        var film = await farm.OnceAsync(Checkout.Real("Multiline.json"), "--size", "64x", "--fps", "5", "--set", $"{BoxedLayer()}={string.Join(' ', Enumerable.Repeat("unabridged", 90))}");
        film.View.Warnings.Select(w => w.Code).ShouldContain("TEXT_OVERFLOWS_BOX");
        film.Notes.ShouldContain("warning: ");
    }

    /// <summary>The name of a text layer whose text has a box.</summary>
    static string BoxedLayer() => Checkout.Lottie(Checkout.Real("Multiline.json"))["layers"]!.AsArray()
        .First(l => (int)l!["ty"]! == 5 && l["t"]!["d"]!["k"]![0]!["s"]!["sz"] is not null)!["nm"]!.GetValue<string>();
}
