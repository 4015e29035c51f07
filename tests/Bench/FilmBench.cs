using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using FlatRender.Cli;
using FlatRender.Contracts;

namespace FlatRender.Bench;

/// <summary>A film of 300 frames of 1080p beside the bare engine piped into one ffmpeg: what checking every frame, leases, facts and files cost on top.</summary>
static class FilmBench
{
    const int Frames = 300, Width = 1920, Height = 1080, CompositionFrames = 150;
    const string Rate = "60", Step = "0.5";
    static readonly TimeProvider s_clock = TimeProvider.System;

    /// <param name="Shares">Seconds of processor by who used them.</param>
    sealed record Run(double Wall, double Cpu, double PeakMb, RenderView View, IReadOnlyDictionary<string, double> Shares);

    public static async Task<Figures> RunAsync(bool quick, CancellationToken stop)
    {
        var figures = new Figures("Film");
        figures.Set("load_before", File.ReadAllText("/proc/loadavg").Split(' ')[0]);
        await using var yard = await Yard.OpenAsync(stop);
        var bundle = Sample(yard);
        var slots = Environment.ProcessorCount;
        var main = yard.StartNode("main", slots);
        var warm = await FilmAsync(yard, bundle, stop);
        var prepared = yard.HostBlob((await yard.Api.EventsAsync(warm.View.JobId, stop))[0].Data.GetProperty("template_digest").GetString()!);

        // One beside the other, so that both see the same machine.
        List<(double Wall, double Cpu)> bare = [];
        List<Run> ours = [];
        for (var i = 0; i < (quick ? 1 : 3); i++)
        {
            bare.Add(await BareAsync(yard, prepared, stop));
            ours.Add(await FilmAsync(yard, bundle, stop));
            Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"bare {bare[^1].Wall:0.0} s ({bare[^1].Cpu:0.0} s of processors), whole {ours[^1].Wall:0.0} s ({ours[^1].Cpu:0.0} s)"));
        }
        await main.StopAsync(Signals.Terminate, TimeSpan.FromSeconds(10), s_clock);

        var byNodes = new double[quick ? 0 : 3];
        for (var nodes = 1; nodes <= byNodes.Length; nodes++)
        {
            yard.StartNode($"one{nodes}", slots: 1);
            // The new one's code is cold, as is its engine.
            await FilmAsync(yard, bundle, stop);
            byNodes[nodes - 1] = (await FilmAsync(yard, bundle, stop)).Wall;
            Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{nodes} nodes of one slot: {byNodes[nodes - 1]:0.0} s"));
        }

        var (best, least) = (ours.MinBy(r => r.Wall)!, bare.MinBy(b => b.Wall));
        figures.Add("wall_s", best.Wall, "from submission to the downloaded film: preflight, drawing, encoding, drawing again, decoding, assembling, checking, facts; the best of all runs");
        figures.Add("bare_wall_s", least.Wall, "the engine's library and one ffmpeg with the same settings, nothing checked; the best of all runs");
        figures.Add("wall_vs_bare", Figures.Median(ours.Zip(bare, (o, b) => o.Wall / b.Wall)), "median of neighbouring runs", "1.25");
        figures.Add("cpu_s", best.Cpu, "of processors, host, database, nodes and engines together");
        figures.Add("bare_cpu_s", least.Cpu, "of processors, the bare engine and its ffmpeg");
        figures.Add("cpu_vs_bare", Figures.Median(ours.Zip(bare, (o, b) => o.Cpu / b.Cpu)), "median of neighbouring runs: this one does not depend on who else is on the machine");
        figures.Add("peak_mb", ours.Max(r => r.PeakMb), "memory a slot: agent, engine and ffmpeg together, divided by slots");
        for (var nodes = 1; nodes <= byNodes.Length; nodes++) figures.Add($"wall_{nodes}_nodes_s", byNodes[nodes - 1], $"with {nodes} node{(nodes == 1 ? "" : "s")} of one slot on this machine");
        figures.Set("frames", Frames);
        figures.Set("nodes", 1);
        figures.Set("slots", slots);
        figures.Set("cores", Environment.ProcessorCount);
        figures.Set("size", $"{Width}x{Height}");
        figures.Set("runs", ours.Count);
        foreach (var (who, seconds) in best.Shares) figures.Set($"cpu_{who}", Math.Round(seconds, 2));
        foreach (var (part, seconds) in best.View.Timing ?? new Dictionary<string, double>()) figures.Set($"spent_{part}", Math.Round(seconds, 2));
        return figures;
    }

    /// <summary>The title card, cut to a round number of frames.</summary>
    static byte[] Sample(Yard yard)
    {
        var folder = Path.Combine(yard.Folder, "title-card");
        var from = Path.Combine(yard.Root, "samples", "title-card");
        foreach (var file in Directory.GetFiles(from, "*", SearchOption.AllDirectories))
        {
            var to = Path.Combine(folder, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(to)!);
            File.Copy(file, to);
        }
        var path = Path.Combine(folder, "template.json");
        var lottie = JsonNode.Parse(File.ReadAllText(path))!;
        lottie["op"] = CompositionFrames;
        File.WriteAllText(path, lottie.ToJsonString());
        var problems = new List<Problem>();
        using var template = new TemplateFile(path, path, problems);
        return problems.Count == 0 ? template.Bundle() : throw new InvalidOperationException(problems[0].Message);
    }

    static async Task<Run> FilmAsync(Yard yard, byte[] bundle, CancellationToken stop)
    {
        using var done = CancellationTokenSource.CreateLinkedTokenSource(stop);
        var watching = PeakAsync([.. yard.Nodes.Where(n => n.IsAlive).Select(n => n.Pid)], done.Token);
        var (began, cpu, shares) = (s_clock.GetTimestamp(), Kin.Cpu(yard.Everyone), yard.Shares());
        var template = await yard.Api.AddTemplateAsync(bundle, stop);
        var view = await yard.RenderAsync(new NewRender(template.TemplateId, new Dictionary<string, string> { ["title"] = "Hello, world" }, null, null, Rate, null, null), null, TimeSpan.FromMilliseconds(100), stop);
        if (view.Step != FlatRender.Contracts.Step.Done) throw new InvalidOperationException($"The film failed: {view.ErrorCode} {view.Reason}");
        await yard.FilmAsync(view.JobId, stop);
        var wall = s_clock.GetElapsedTime(began).TotalSeconds;
        var used = Kin.Cpu(yard.Everyone) - cpu;
        await done.CancelAsync();
        return new(wall, used, await watching / Environment.ProcessorCount, view, yard.Shares().ToDictionary(s => s.Key, s => s.Value - shares.GetValueOrDefault(s.Key)));
    }

    static async Task<double> PeakAsync(int[] nodes, CancellationToken stop)
    {
        var peak = 0.0;
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(200), s_clock);
        while (!stop.IsCancellationRequested)
        {
            peak = Math.Max(peak, Kin.ResidentMb(nodes));
            try
            {
                await timer.WaitForNextTickAsync(stop);
            }
            catch (OperationCanceledException)
            {
                return peak;
            }
        }
        return peak;
    }

    static async Task<(double Wall, double Cpu)> BareAsync(Yard yard, string prepared, CancellationToken stop)
    {
        var (began, cpu) = (s_clock.GetTimestamp(), Kin.EndedChildrenCpu());
        string[] words = [Path.Combine(AppContext.BaseDirectory, "engines", "bare.mjs"), yard.Engine, prepared, $"{Width}", $"{Height}", $"{Frames}", Step, "#ffffff", Path.Combine(yard.Folder, "bare.mp4")];
        const string script = """
            node "$1" "$2" "$3" "$4" "$5" "$6" "$7" "$8" | ffmpeg -v error -y -f rawvideo -pixel_format rgba -video_size "$4x$5" -framerate 60 -i - -c:v libx264 -preset veryfast -crf 18 -pix_fmt yuv420p "$9"
            """;
        using var shell = Process.Start(new ProcessStartInfo("sh", ["-c", script, "sh", .. words]))!;
        await shell.WaitForExitAsync(stop);
        if (shell.ExitCode != 0) throw new InvalidOperationException("The bare engine failed.");
        return (s_clock.GetElapsedTime(began).TotalSeconds, Kin.EndedChildrenCpu() - cpu);
    }
}
