using System.Text.Json;
using FlatRender.Render;

namespace FlatRender.Bench;

/// <summary>What goes wrong, where.</summary>
/// <param name="Turn">0: when the frame is drawn, 1: when it is drawn again by whoever checks it.</param>
/// <param name="At">A place in the picture or the file, from 0 to 1.</param>
sealed record Fault(int Id, int Film, int Chunk, int Frame, int Turn, string Kind, double At)
{
    public bool IsInEngine => Kind is not ("upload-cut" or "upload-flip" or "upload-lost" or "disk-cut" or "disk-flip" or "host-flip" or "late");

    /// <summary>The picture itself is wrong, and nothing else tells.</summary>
    public bool IsBadPicture => Kind is "black" or "flip" or "repeat" && Turn == 0;

    public bool IsBreakdown => Kind is "crash" or "hang" or "hog" or "size";
}

/// <summary>Faults over many small films, by a seed. A chunk has several wrong pictures, each of which has to be found by its frame, or one fault of another kind.</summary>
static class FaultPlan
{
    public const int Frames = 60, Designs = 4, PictureChunks = 3, PicturesInChunk = 3;

    static readonly string[] Pictures = ["black", "flip", "repeat"];
    static readonly string[] Others = ["crash", "slow", "upload-flip", "disk-flip", "hang", "upload-lost", "check-flip", "size", "host-flip", "late", "upload-cut", "hog", "disk-cut"];

    public static IReadOnlyList<(int First, int Count)> Chunks { get; } = [.. ChunkPlan.Of(Frames)];

    public static int InFilm => PictureChunks * PicturesInChunk + (Chunks.Count - PictureChunks);

    public static IReadOnlyList<Fault> Of(int films, int seed)
    {
        var random = new Random(seed);
        var all = new List<Fault>(films * InFilm);
        var (picture, other) = (0, 0);
        for (var film = 0; film < films; film++)
        {
            var chunks = Enumerable.Range(0, Chunks.Count).ToArray();
            random.Shuffle(chunks);
            foreach (var chunk in chunks)
            {
                var (first, count) = Chunks[chunk];
                // A repeated frame needs one before it in its chunk.
                var frames = Enumerable.Range(first + 1, count - 1).ToArray();
                random.Shuffle(frames);
                if (Array.IndexOf(chunks, chunk) < PictureChunks)
                    foreach (var frame in frames[..PicturesInChunk]) all.Add(new(all.Count, film, chunk, frame, 0, Pictures[picture++ % Pictures.Length], random.NextDouble()));
                else
                {
                    var kind = Others[other++ % Others.Length];
                    all.Add(new(all.Count, film, chunk, frames[0], kind == "check-flip" ? 1 : 0, kind == "check-flip" ? "flip" : kind, random.NextDouble()));
                }
            }
        }
        return all;
    }

    /// <summary>A composition in which every frame differs from the one before. Its name is what the plan knows it by.</summary>
    public static JsonElement Composition(string name, int design)
    {
        string Colour(int k) => $"#{(design * 53 + k * 90) % 200 + 40:x2}{(design * 101 + k * 40) % 200 + 40:x2}{(design * 29 + k * 140) % 200 + 40:x2}";
        object Solid(int index, int width, int height, string colour, object position) => new
        {
            ddd = 0,
            ind = index,
            ty = 1,
            nm = $"solid {index}",
            sr = 1,
            ao = 0,
            ip = 0,
            op = Frames,
            st = 0,
            bm = 0,
            sw = width,
            sh = height,
            sc = colour,
            ks = new { o = Still(100), r = Still(0), a = Still(new[] { 0, 0, 0 }), s = Still(new[] { 100, 100, 100 }), p = position },
        };
        object Path(int x0, int y0, int x1, int y1) => new
        {
            a = 1,
            k = new object[] { new { t = 0, s = new[] { x0, y0, 0 }, i = new { x = new[] { 1 }, y = new[] { 1 } }, o = new { x = new[] { 0 }, y = new[] { 0 } } }, new { t = Frames, s = new[] { x1, y1, 0 } } },
        };
        return JsonSerializer.SerializeToElement(new
        {
            v = "5.9.0",
            fr = 30,
            ip = 0,
            op = Frames,
            w = 96,
            h = 64,
            nm = name,
            ddd = 0,
            assets = Array.Empty<object>(),
            layers = new[] { Solid(1, 14, 14, Colour(1), Path(2, 6 + design * 4, 80, 60 - design * 4)), Solid(2, 20, 9, Colour(2), Path(74, 50, 0, design * 6)), Solid(3, 96, 64, Colour(3), Still(new[] { 0, 0, 0 })) },
        });
    }

    static object Still(object value) => new { a = 0, k = value };
}
