namespace FlatRender.SystemTests;

/// <summary>Lottie files that nobody here made, through the whole house.</summary>
[Collection(FarmTests.Name)]
public sealed class RealFilmSpecs(Farm farm)
{
    [Theory]
    [InlineData("DynamicText.json", "320x320", 61, "30000/1001", "61061/30000")]
    [InlineData("Multiline.json", "320x180", 180, "30000/1001", "3003/500")]
    [InlineData("animated_logo.json", "320x180", 106, "25/1", "106/25")]
    [InlineData("banner.json", "320x82", 603, "25/1", "603/25")]
    [InlineData("bm_ronda.json", "320x180", 371, "30000/1001", "371371/30000")]
    [InlineData("dalek.json", "320x180", 290, "30/1", "29/3")]
    [InlineData("penguin.json", "320x180", 300, "60/1", "5/1")]
    [InlineData("rocket.json", "320x180", 125, "25/1", "5/1")]
    public async Task A_real_file_becomes_a_film_of_its_exact_length_that_plays_at_once(string file, string size, int frames, string rate, string seconds)
    {
        var film = await farm.FilmOfAsync(file);
        (await film.ProbeAsync()).ShouldBe(new Probed("h264", "yuv420p", size, frames, rate, rate, "0", seconds));
        film.Boxes().Where(b => b is "moov" or "mdat").ShouldBe(["moov", "mdat"]);
        film.View.TotalFrames.ShouldBe(frames);
    }

    [Theory]
    [InlineData("DynamicText.json")]
    [InlineData("Multiline.json")]
    [InlineData("animated_logo.json")]
    [InlineData("banner.json")]
    [InlineData("bm_ronda.json")]
    [InlineData("dalek.json")]
    [InlineData("penguin.json")]
    [InlineData("rocket.json")]
    public async Task A_film_shows_what_one_engine_alone_draws(string file)
    {
        var film = await farm.FilmOfAsync(file);
        var ordered = await farm.At.Book.OrderedAsync(film.JobId);
        var marks = farm.At.Marks(film.JobId);
        marks.Select(m => m.Index).ShouldBe(Enumerable.Range(0, ordered.Film.Frames));
        // First, last, and some of every chunk, whatever the chunks are.
        int[] chosen = [.. Enumerable.Range(0, ordered.Film.Frames).Where(f => f % 9 == 0 || f == ordered.Film.Frames - 1)];

        var drawn = await Directly.DrawAsync(farm.At.Blob(ordered.TemplateDigest), ordered.Film, chosen);

        drawn.Select(p => Directly.Crc32C(p)).ShouldBe(chosen.Select(f => marks[f].Crc32C));
        for (var i = 0; i < chosen.Length; i++)
        {
            var distance = Directly.Signature(drawn[i], film.Width, film.Height).Zip(Directly.Signature(await film.LumaAsync(chosen[i]), film.Width, film.Height), (a, b) => Math.Abs(a - b)).ToArray();
            distance.Max().ShouldBeLessThan(8, $"{file}, frame {chosen[i]}");
            distance.Average().ShouldBeLessThan(2, $"{file}, frame {chosen[i]}");
        }
    }

    [Fact]
    public async Task A_chunk_is_the_same_whatever_its_engine_drew_before()
    {
        // This file's frames 282-292, 304-322 and 334-352 keep traces of others that were drawn before them.
        var film = await farm.FilmOfAsync("bm_ronda.json");
        var ordered = await farm.At.Book.OrderedAsync(film.JobId);
        var chunks = farm.At.Manifests(film.JobId).Select(m => Enumerable.Range(m.First, m.Count).ToArray()).Reverse().ToArray();
        chunks.Length.ShouldBeGreaterThan(6);

        var backwards = await Directly.DrawAsync(farm.At.Blob(ordered.TemplateDigest), ordered.Film, chunks);

        var marks = farm.At.Marks(film.JobId);
        backwards.Select(p => Directly.Crc32C(p)).ShouldBe(chunks.SelectMany(c => c).Select(f => marks[f].Crc32C));
        (await farm.At.Book.FactsAsync(film.JobId)).Select(f => f.Type).ShouldNotContain("render.job.repair.v1");
    }

    [Fact]
    public async Task A_sampled_frame_that_differs_alone_is_not_repaired()
    {
        // Composition frames 265 to 288: two chunks of 12, and the frame that is sampled in the second is its last.
        var lottie = Checkout.Lottie(Checkout.Real("bm_ronda.json"));
        (lottie["ip"], lottie["op"]) = (265, 289);
        var film = await farm.At.RenderAsync(farm.At.Write("traces.json", lottie.ToJsonString()), "--size", "320x");
        var ordered = await farm.At.Book.OrderedAsync(film.JobId);
        var drawn = await Directly.DrawAsync(farm.At.Blob(ordered.TemplateDigest), ordered.Film, [23], [.. Enumerable.Range(12, 12)]);
        Directly.Crc32C(drawn[0]).ShouldNotBe(Directly.Crc32C(drawn[^1]), "alone it is another");
        Directly.Crc32C(drawn[^1]).ShouldBe(farm.At.Marks(film.JobId)[23].Crc32C);
        (await farm.At.Book.FactsAsync(film.JobId)).Select(f => f.Type).ShouldBe(["render.job.queued.v1", "render.job.rendering.v1", "render.job.validating.v1", "render.job.frames_accepted.v1", "render.job.done.v1"]);
    }

    [Fact]
    public async Task An_old_file_is_upgraded_as_players_do()
    {
        // Bodymovin 4.4.11: whether a path is closed stands outside of it. Drawn as it is, every outline misses its last side.
        var film = await farm.FilmOfAsync("bm_ronda.json");
        var ordered = await farm.At.Book.OrderedAsync(film.JobId);
        var asItIs = (await Directly.DrawAsync(Checkout.Real("bm_ronda.json"), ordered.Film, [250])).Single();
        var picture = await film.PictureAsync(250);
        foreach (var (x, y, open, closed) in new[]
        {
            (150, 73, (255, 255, 255), (0, 0, 0)), (100, 82, (255, 255, 255), (245, 64, 61)), (99, 87, (255, 255, 255), (245, 64, 61)), (163, 61, (245, 64, 61), (255, 255, 255)),
        })
        {
            var at = (y * film.Width + x) * 4;
            ((int)asItIs[at], (int)asItIs[at + 1], (int)asItIs[at + 2]).ShouldBe(open, $"not upgraded, {x},{y}");
            picture.Shows(closed, x, y).ShouldBeTrue($"upgraded, {x},{y}: {picture.At(x, y)}");
        }
    }
}
