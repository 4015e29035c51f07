using System.Collections.Concurrent;
using System.Diagnostics;
using System.Security.Cryptography;
using System.Text.Json;
using FlatRender.Contracts;

namespace FlatRender.Bench;

/// <summary>What became of a campaign's faults and films.</summary>
sealed record Campaign(
    int Planned, int Injected, int Films, int Delivered, int DeliveredBroken, int Failed, int Found, int Discarded, int Missed, int FalseAlarms, int BadFrames, int NamedFrames, int DrawnAgain, int LateRefused,
    IReadOnlyDictionary<string, int> ByKind, IReadOnlyList<string> Notes, double Seconds);

/// <summary>Many small films while everything goes wrong: none that is broken may be delivered, and each delivered one is the clean one, bit for bit.</summary>
static class FaultsBench
{
    const int FullFilms = 100, QuickFilms = 6, Seed = 20_260;

    /// <summary>An engine of small films needs a fraction of this; one that hoards is soon there.</summary>
    const int MemoryMb = 700, FrameSeconds = 12;

    public static async Task<Figures> RunAsync(bool quick, CancellationToken stop)
    {
        var c = await CampaignAsync(quick ? QuickFilms : FullFilms, Seed, nodes: 3, atOnce: 8, Console.Error.WriteLine, stop);
        var figures = new Figures("Faults");
        figures.Add("injected", c.Injected, "faults that struck, of all kinds", quick ? null : "at least 1,000");
        figures.Add("delivered_broken", c.DeliveredBroken, "films that came out other than in a clean run", "0");
        figures.Add("missed", c.Missed, "wrong pictures that nobody named and that are in a film, and breakdowns nobody noticed", "0");
        figures.Add("false_alarms", c.FalseAlarms, "frames that were named bad and were not", "0");
        figures.Add("rerendered_per_bad", c.NamedFrames == 0 ? null : (double)c.DrawnAgain / Math.Max(1, c.BadFrames), "frames drawn again for each bad one: a chunk is the smallest piece that can be replaced");
        figures.Add("found", c.Found, "wrong pictures named by their frame");
        figures.Add("discarded", c.Discarded, "wrong pictures that went with their chunk, or with their film, before anyone had to look");
        figures.Add("films", c.Films, "rendered, 60 frames each");
        figures.Add("delivered", c.Delivered, "of them delivered, each the clean one bit for bit");
        figures.Add("failed", c.Failed, "ended with a reason instead of a film");
        figures.Add("drawn_again", c.DrawnAgain, "frames drawn again");
        figures.Add("late_refused", c.LateRefused, "results of old leases that were refused");
        figures.Add("seconds", c.Seconds, "wall clock of it all");
        figures.Set("seed", Seed);
        figures.Set("cores", Environment.ProcessorCount);
        foreach (var (kind, count) in c.ByKind.OrderBy(k => k.Key)) figures.Set($"kind_{kind.Replace('-', '_')}", count);
        foreach (var note in c.Notes) Console.Error.WriteLine(note);
        return figures;
    }

    public static async Task<Campaign> CampaignAsync(int films, int seed, int nodes, int atOnce, Action<string> say, CancellationToken stop)
    {
        var began = TimeProvider.System.GetTimestamp();
        var plan = FaultPlan.Of(films, seed);
        await using var yard = await Yard.OpenAsync(stop);
        var folder = Directory.CreateDirectory(Path.Combine(yard.Folder, "faults")).FullName;
        var book = new FaultBook();
        foreach (var fault in plan.Where(f => !f.IsInEngine)) book.Outside[(fault.Film, fault.Chunk)] = fault;
        foreach (var film in plan.Where(f => f.IsInEngine).GroupBy(f => f.Film))
            await File.WriteAllTextAsync(Path.Combine(folder, $"film-{film.Key}.json"), JsonSerializer.Serialize(film.Select(f => new { f.Id, f.Frame, f.Turn, f.Kind, f.At }), Wire.Json), stop);

        var meddlers = new List<Meddler>();
        try
        {
            for (var i = 0; i < nodes; i++)
            {
                meddlers.Add(await Meddler.StartAsync(yard, $"node{i}", book, TimeProvider.System));
                yard.StartNode($"node{i}", slots: 1, meddlers[i].Url,
                    ["--engine", $"skottie={Path.Combine(AppContext.BaseDirectory, "engines", "meddling.mjs")}", "--memory-mb", $"{MemoryMb}", "--frame-seconds", $"{FrameSeconds}"],
                    new Dictionary<string, string> { ["FLATRENDER_FAULTS"] = folder, ["FLATRENDER_REAL_ENGINE"] = yard.Engine });
            }
            var clean = new ConcurrentDictionary<int, string>();
            await Parallel.ForAsync(0, FaultPlan.Designs, new ParallelOptions { MaxDegreeOfParallelism = nodes, CancellationToken = stop }, async (design, token) =>
            {
                var (view, digest) = await FilmAsync(yard, book, $"clean-{design}", -1 - design, design, token);
                clean[design] = digest ?? throw new InvalidOperationException($"A film without faults failed: {view.ErrorCode} {view.Reason}");
            });
            say($"{clean.Count} clean films in {TimeProvider.System.GetElapsedTime(began).TotalSeconds:0} s");

            var (done, tally) = (0, new Tally(plan, folder, book));
            await Parallel.ForAsync(0, films, new ParallelOptions { MaxDegreeOfParallelism = atOnce, CancellationToken = stop }, async (film, token) =>
            {
                var design = film % FaultPlan.Designs;
                var (view, digest) = await FilmAsync(yard, book, $"film-{film}", film, design, token);
                var facts = await yard.Api.EventsAsync(view.JobId, token);
                tally.Ended(film, view, digest is null ? null : digest == clean[design], facts);
                if (Interlocked.Increment(ref done) is var n && n % 10 == 0) say($"{n} of {films} films, {TimeProvider.System.GetElapsedTime(began).TotalSeconds:0} s");
            });
            await Task.WhenAll(book.Late);
            return tally.Result(films, TimeProvider.System.GetElapsedTime(began).TotalSeconds);
        }
        catch
        {
            say(yard.Tail("host"));
            say(yard.Tail("node0"));
            throw;
        }
        finally
        {
            foreach (var meddler in meddlers) await meddler.DisposeAsync();
        }
    }

    static async Task<(RenderView View, string? Frames)> FilmAsync(Yard yard, FaultBook book, string name, int film, int design, CancellationToken stop)
    {
        var template = await yard.AddTemplateAsync(FaultPlan.Composition(name, design), stop);
        var view = await yard.RenderAsync(new NewRender(template.TemplateId, null, null, null, null, null, null), v =>
        {
            book.FilmOf(v.JobId).TrySetResult(film);
            return Task.CompletedTask;
        }, TimeSpan.FromMilliseconds(250), stop);
        if (view.Step != Step.Done) return (view, null);
        var bytes = await yard.FilmAsync(view.JobId, stop);
        return (view, $"{Convert.ToHexStringLower(SHA256.HashData(bytes))} {await FramesAsync(bytes, stop)}");
    }

    /// <summary>The hash of every decoded frame, by a decoder that is not told to forgive.</summary>
    static async Task<string> FramesAsync(byte[] film, CancellationToken stop)
    {
        var path = Path.GetTempFileName();
        await File.WriteAllBytesAsync(path, film, stop);
        using var ffmpeg = Process.Start(new ProcessStartInfo("ffmpeg", ["-v", "error", "-xerror", "-err_detect", "explode", "-threads", "1", "-i", path, "-f", "framemd5", "-"]) { RedirectStandardOutput = true })!;
        var hashes = await ffmpeg.StandardOutput.ReadToEndAsync(stop);
        await ffmpeg.WaitForExitAsync(stop);
        File.Delete(path);
        return ffmpeg.ExitCode == 0 ? hashes : "broken";
    }
}
