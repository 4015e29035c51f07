using System.Diagnostics;
using System.Globalization;
using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.TestKit;
using MassTransit;
using Npgsql;

namespace FlatRender.Bench;

/// <summary>Whole renders whose frames cost nothing, over RabbitMQ, in 1, 2 and 4 processes. What is left is pipeline, store, relay and broker: where these stop growing, and why.</summary>
static class ClusterBench
{
    static readonly TimeProvider s_clock = TimeProvider.System;

    /// <summary>Renders under way at once, all processes together: when one is done, the next begins.</summary>
    const int InFlight = 256;

    sealed record Run(int Processes, double PerSecond, double RenderMs, double DatabaseMs, double BrokerMs, double Cores, double MachineCores)
    {
        public double Ms => RenderMs + DatabaseMs + BrokerMs;
    }

    public static async Task<Figures> RunAsync(bool quick)
    {
        var figures = new Figures("Cluster");
        figures.Set("load_before", File.ReadAllText("/proc/loadavg").Split(' ')[0]);
        List<Run> runs = [];
        foreach (var processes in new[] { 1, 2, 4 }) runs.Add(await MeasureAsync(processes, quick));
        foreach (var run in runs)
        {
            figures.Add($"jobs_per_s_{run.Processes}", run.PerSecond, $"whole renders a second, {run.Processes} render process{(run.Processes == 1 ? "" : "es")}");
            figures.Add($"cpu_ms_per_job_{run.Processes}", run.Ms, string.Create(CultureInfo.InvariantCulture, $"processor time of a render: {run.RenderMs:0.00} in render processes, {run.DatabaseMs:0.00} in PostgreSQL, {run.BrokerMs:0.00} in RabbitMQ"));
            figures.Add($"cores_used_{run.Processes}", run.Cores, "of them all together");
        }
        figures.Add("scaling_2", runs[1].PerSecond / runs[0].PerSecond, "two processes beside one");
        figures.Add("scaling_4", runs[2].PerSecond / runs[0].PerSecond, "four processes beside one");
        figures.Set("stops_at", runs.First(r => r.PerSecond > 0.9 * runs.Max(best => best.PerSecond)).Processes);
        figures.Set("because", Why(runs));
        figures.Set("in_flight", InFlight);
        figures.Set("cores", Environment.ProcessorCount);
        return figures;
    }

    /// <summary>More processes help while processors are free; where they are not, a render costs what it costs, whoever works on it.</summary>
    static string Why(List<Run> runs)
    {
        var best = runs.MaxBy(r => r.PerSecond)!;
        var most = new[] { ("the render processes", best.RenderMs), ("PostgreSQL", best.DatabaseMs), ("RabbitMQ", best.BrokerMs) }.MaxBy(p => p.Item2);
        if (best.MachineCores - best.Cores > 0.25 * Environment.ProcessorCount) return string.Create(CultureInfo.InvariantCulture, $"others on this machine used {best.MachineCores - best.Cores:0.0} of {Environment.ProcessorCount} processors: nothing can be said");
        return best.Cores > 0.75 * Environment.ProcessorCount
            ? string.Create(CultureInfo.InvariantCulture, $"all processors are used ({best.Cores:0.0} of {Environment.ProcessorCount}), most by {most.Item1} ({most.Item2 / best.Ms:P0})")
            : string.Create(CultureInfo.InvariantCulture, $"processors are free ({best.Cores:0.0} of {Environment.ProcessorCount} used): renders wait for commits and confirms");
    }

    static async Task<Run> MeasureAsync(int processes, bool quick)
    {
        await using var database = await OwnDatabase.CreateAsync();
        var source = database.Source;
        await Migration.ApplyAsync(source, "eventstore");
        var shared = $"cluster-{Ids.New():N}"[..16];
        List<Part> renders = [];
        try
        {
            for (var n = 0; n < processes; n++) renders.Add(new Part(["cluster-render", shared], ("FLATRENDER_TEST_DATABASE", database.ConnectionString)));
            foreach (var render in renders) await render.LineAsync();
            foreach (var render in renders) await render.TellAsync($"{InFlight / processes}");

            var postmaster = Cpu.PostmasterOf((int)await ScalarAsync(source, "SELECT pg_backend_pid()"));
            var broker = Cpu.Listener(new Uri(Given("FLATRENDER_TEST_RABBITMQ")).Port);
            // By work, not by time: compiled code settles only after some thousand renders, and on a busy machine that takes its time.
            var patience = s_clock.GetTimestamp();
            while (await DoneAsync(source) < processes * (quick ? 400 : 3000) && s_clock.GetElapsedTime(patience) < TimeSpan.FromSeconds(quick ? 30 : 90)) await Task.Delay(TimeSpan.FromMilliseconds(100), s_clock);
            var (from, first, before) = (s_clock.GetTimestamp(), await DoneAsync(source), Used());
            await Task.Delay(TimeSpan.FromSeconds(quick ? 5 : 20), s_clock);
            var (seconds, jobs, after) = (s_clock.GetElapsedTime(from).TotalSeconds, await DoneAsync(source) - first, Used());
            var run = new Run(processes, jobs / seconds, Ms(after.Renders - before.Renders), Ms(after.Database - before.Database), Ms(after.Broker - before.Broker), (after.All - before.All) / seconds, (after.Machine - before.Machine) / seconds);
            Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{processes} processes: {run.PerSecond:0} renders a second, {run.Ms:0.00} ms each, {run.Cores:0.0} cores"));
            return run;

            double Ms(double used) => used * 1000 / Math.Max(1, jobs);
            (double Renders, double Database, double Broker, double All, double Machine) Used()
            {
                var (own, stored, bus) = (Kin.Cpu(renders.Select(r => r.Pid)), postmaster is { } p ? Kin.Cpu([p]) : 0, broker is { } b ? Kin.Cpu(b, ended: false) : 0);
                return (own, stored, bus, own + stored + bus, Kin.MachineCpu());
            }
        }
        finally
        {
            foreach (var render in renders) render.Dispose();
        }
    }

    /// <summary>One render process: ready, told how many renders to begin, and at work until it is killed.</summary>
    public static async Task RenderAsync(string shared)
    {
        await using var source = NpgsqlDataSource.Create(Given("FLATRENDER_TEST_DATABASE"));
        await using var house = await House.OpenAsync(source, Given("FLATRENDER_TEST_RABBITMQ"), relay: true, new Watch(), shared: shared);
        Console.WriteLine("ready");
        while (Console.ReadLine() is { } line)
            for (var left = int.Parse(line, CultureInfo.InvariantCulture); left > 0; left--) await house.Get<IBus>().Publish(Lives.Submission(new JobId(Ids.New())));
    }

    static async Task<long> DoneAsync(NpgsqlDataSource source) => (long)await ScalarAsync(source, "SELECT count(*) FROM eventstore.mt_events WHERE type = 'render.job.done.v1'");

    static async Task<object> ScalarAsync(NpgsqlDataSource source, string sql)
    {
        await using var command = source.CreateCommand(sql);
        return (await command.ExecuteScalarAsync())!;
    }

    static string Given(string name) => Environment.GetEnvironmentVariable(name) ?? throw new InvalidOperationException($"{name} is not set: run ./flatrender bench cluster.");
}
