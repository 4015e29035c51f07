namespace FlatRender.SystemTests;

/// <summary>Any size, any rate, any length: what the composition says is what the film is.</summary>
[Collection(FarmTests.Name)]
public sealed class SizeAndRateSpecs(Farm farm)
{
    [Theory]
    [InlineData("an odd size is padded to even", "141", "112", "25", "0", "5", "", "142x112", 5, "25/1", "1/5")]
    [InlineData("television's 29.97", "64", "48", "29.97", "0", "10", "", "64x48", 10, "30000/1001", "1001/3000")]
    [InlineData("29.97 as exporters write it, and a length that is whole but for noise", "64", "48", "29.9700012207031", "0", "7.00000028511585", "", "64x48", 7, "30000/1001", "7007/30000")]
    [InlineData("film's 23.976", "64", "48", "23.976", "0", "6", "", "64x48", 6, "24000/1001", "1001/4000")]
    [InlineData("60", "64", "48", "60", "0", "6", "", "64x48", 6, "60/1", "1/10")]
    [InlineData("74", "64", "48", "74", "0", "37", "", "64x48", 37, "74/1", "1/2")]
    [InlineData("a fraction of a frame is a frame", "64", "48", "30", "0", "5.5", "", "64x48", 6, "30/1", "1/5")]
    [InlineData("a length counted from the in point", "64", "48", "30", "2", "8", "", "64x48", 6, "30/1", "1/5")]
    [InlineData("portrait", "54", "96", "30", "0", "4", "", "54x96", 4, "30/1", "2/15")]
    [InlineData("one frame", "64", "48", "25", "0", "1", "", "64x48", 1, "25/1", "1/25")]
    [InlineData("another rate keeps the length", "64", "48", "60", "0", "30", "--fps 24", "64x48", 12, "24/1", "1/2")]
    [InlineData("a rate given as a fraction", "64", "48", "30", "0", "15", "--fps 30000/1001", "64x48", 15, "30000/1001", "1001/2000")]
    [InlineData("another size", "64", "48", "30", "0", "3", "--size 128x96", "128x96", 3, "30/1", "1/10")]
    [InlineData("another width keeps the shape", "64", "48", "30", "0", "3", "--size 100x", "100x76", 3, "30/1", "1/10")]
    public async Task The_film_is_as_its_composition_says(string what, string width, string height, string rate, string from, string to, string options, string size, int frames, string filmRate, string seconds)
    {
        var film = await farm.At.RenderAsync(farm.At.Write("small.json", SmallLottie.Of(width, height, rate, from, to)), options.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        var probed = await film.ProbeAsync();
        // One frame alone has no distance to another: ffprobe guesses its rate.
        (frames == 1 ? probed with { Rate = filmRate, AverageRate = filmRate } : probed).ShouldBe(new Probed("h264", "yuv420p", size, frames, filmRate, filmRate, "0", seconds), what);
        film.Boxes().Where(b => b is "moov" or "mdat").ShouldBe(["moov", "mdat"]);
        farm.At.Marks(film.JobId).Count.ShouldBe(frames);
    }

    [Fact]
    public async Task Padding_is_background_at_the_right_edge_and_nothing_is_stretched()
    {
        var film = await farm.At.RenderAsync(farm.At.Write("odd.json", SmallLottie.Of(width: "141", height: "112")), "--background", "#00ff00");
        var picture = await film.PictureAsync(0);
        picture.Shows(SmallLottie.Red, 12, 24).ShouldBeTrue($"{picture.At(12, 24)}");
        picture.Shows(SmallLottie.Blue, 130, 100).ShouldBeTrue($"{picture.At(130, 100)}");
        var (_, edge, _) = picture.At(141, 100);
        var (_, inside, _) = picture.At(138, 100);
        edge.ShouldBeGreaterThan(inside + 60);
    }

    [Fact]
    public async Task A_composition_moves_at_its_own_speed_at_another_rate()
    {
        // 60 composition frames a second, 24 in the film: film frame 2 is composition frame 5, in which the square has all but arrived at 40.
        var film = await farm.At.RenderAsync(farm.At.Write("speed.json", SmallLottie.Of(rate: "60", to: "30")), "--fps", "24");
        foreach (var (frame, x, shown) in new[] { (0, 12, SmallLottie.Red), (0, 40, SmallLottie.Blue), (3, 40, SmallLottie.Red), (3, 12, SmallLottie.Blue) })
            (await film.PictureAsync(frame)).Shows(shown, x, 24).ShouldBeTrue($"frame {frame}, {x}: {(await film.PictureAsync(frame)).At(x, 24)}");
    }
}
