using System.Text.Json;
using FlatRender.Contracts;

namespace FlatRender.Cli;

/// <summary>`flatrender cluster`: FlatRender apart, over RabbitMQ, on this machine; for tests and for trying.</summary>
public static class ClusterCommand
{
    static readonly string[] Inside = ["render", "jobs", "cancel", "retry", "audit", "projections", "deadletters", "nodes", "why"];

    public static Task<int> RunAsync(Workplace at, IReadOnlyList<string> args, CancellationToken stop)
    {
        var there = Cluster.In(at);
        var rest = args.Skip(1).ToArray();
        return args.FirstOrDefault() switch
        {
            "up" => UpAsync(there, rest, stop),
            "down" => DownCommand.RunAsync(there, rest, () => ClusterNote.Read(there.Home), note => new Cluster(there).StopAsync(note), stop),
            "status" => StatusAsync(there, rest),
            { } command when Inside.Contains(command) => Commands.RunAsync(Within(there), args, stop),
            var unknown => throw Refusal.BadInput("UNKNOWN_COMMAND", $"`flatrender cluster` takes up, down, status, or a command to run on the cluster ({string.Join(", ", Inside)}), not '{unknown}'"),
        };
    }

    static async Task<int> UpAsync(Workplace at, IReadOnlyList<string> args, CancellationToken stop)
    {
        var usual = new ClusterPlan();
        var line = CommandLine.Parse(args, new("brokers", "N"), new("renders", "N"), new("gateways", "N"), new("agents", "N"), new("slots", "N")).Takes(0, 0, "");
        var plan = new ClusterPlan(line.Number("brokers", 1, 3, usual.Brokers), line.Number("renders", 1, 8, usual.Renders), line.Number("gateways", 1, 8, usual.Gateways), line.Number("agents", 0, 16, usual.Agents), line.Number("slots", 1, 64, usual.Slots));
        line.OrRefuse();
        at.Home.Prepare();
        await using var held = await at.Home.LockAsync(at.Clock, stop);
        var was = ClusterNote.Read(at.Home);
        if (was is not null && was.Parts.Any(p => p.IsAlive) && args.Count > 0 && was.Plan != plan)
            throw Refusal.BadInput("ALREADY_UP", "a cluster of another shape runs already: `flatrender cluster down` first");
        var cluster = new Cluster(at);
        var note = await cluster.StartMissingAsync(was is not null && (args.Count == 0 || was.Plan == plan) ? was : ClusterNote.New(plan, at.Home, at.Clock.GetUtcNow()), stop);
        at.Terminal.Output.WriteLine($"up {string.Join(' ', note.Of(ClusterPart.Gateway).Select(g => g.Url))}");
        return Exit.Ok;
    }

    static Task<int> StatusAsync(Workplace at, IReadOnlyList<string> args)
    {
        var line = CommandLine.Parse(args, new Option("json")).Takes(0, 0, "").OrRefuse();
        var note = ClusterNote.Read(at.Home);
        if (line.Has("json"))
            at.Terminal.Output.WriteLine(JsonSerializer.Serialize(new { Up = note is not null, Parts = note?.Parts.Select(p => new { p.Name, p.Kind, p.Port, p.Process?.Pid, Running = p.IsAlive }) }, Wire.Json));
        else if (note is null)
            at.Terminal.Output.WriteLine("not up");
        else
            Report.Table(at.Terminal.Output, [.. note.Parts.Select(p => p.IsAlive ? new[] { p.Name, "running", $"process {p.Process!.Pid}", $"port {p.Port}" } : [p.Name, "ENDED", $"log: {at.Home.Log(p.Name)}", "`flatrender cluster up` starts it again"])]);
        return Task.FromResult(note is null || note.Parts.All(p => p.IsAlive) ? Exit.Ok : Exit.Failed);
    }

    /// <summary>The cluster as the place where a command runs: its doors by their addresses, its database and broker as given ones.</summary>
    static Workplace Within(Workplace at)
    {
        var note = ClusterNote.Read(at.Home) ?? throw Refusal.Failed("NOT_UP", "no cluster is up: `flatrender cluster up` starts one");
        var variables = new Cluster(at).Variables(note);
        return at with { Variable = name => variables.GetValueOrDefault(name) ?? at.Variable(name) };
    }
}
