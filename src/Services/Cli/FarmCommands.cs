using System.Globalization;
using System.Text.Json;
using FlatRender.Contracts;

namespace FlatRender.Cli;

/// <summary>`flatrender why JOB`: what a render waits for, in the scheduler's own words.</summary>
public static class WhyCommand
{
    public static async Task<int> RunAsync(Workplace at, IReadOnlyList<string> args, CancellationToken stop)
    {
        var line = CommandLine.Parse(args, new Option("json")).Takes(1, 1, "JOB").OrRefuse();
        var job = JobsCommand.Id(line.Words[0]);
        await using var session = await QuietSession.OpenAsync(at, stop);
        var told = await session.Api.WaitingAsync(job, stop);
        if (line.Has("json"))
        {
            at.Terminal.Output.WriteLine(JsonSerializer.Serialize(told, Wire.Json));
            return Exit.Ok;
        }
        foreach (var reason in told.Reasons)
            at.Terminal.Output.WriteLine(Line(reason));
        if (told.Waiting + told.UnderWay + told.Done > 0)
            at.Terminal.Output.WriteLine($"pieces: {told.Waiting} waiting, {told.UnderWay} under way, {told.Done} done");
        Report.Table(at.Terminal.Output, told.Chunks.Take(20).Select(c => new[] { $"  {c.Kind} {c.Chunk}", $"frames {c.First}-{c.First + c.Count - 1}", c.Code, c.Message }));
        return Exit.Ok;
    }

    public static string Line(WaitReason reason) =>
        $"{reason.Code}: {reason.Message}" + (reason.Pieces > 0 ? $" ({reason.Pieces} {(reason.Pieces == 1 ? "piece" : "pieces")})" : "") + (reason.Until is { } until ? $" until {JobsCommand.Time(until)}" : "");
}

/// <summary>`flatrender nodes`: who is there, and what becomes of them.</summary>
public static class NodesCommand
{
    static readonly string[] Verbs = ["drain", "quarantine", "release"];

    public static async Task<int> RunAsync(Workplace at, IReadOnlyList<string> args, CancellationToken stop)
    {
        var line = CommandLine.Parse(args, new("json"), new("reason", "TEXT")).Takes(0, 2, "NODE");
        var verb = line.Words.FirstOrDefault();
        if (verb is not null && !Verbs.Contains(verb))
            line.Wrong(verb, "BAD_VERB", "is nothing that can be done to a node: drain, quarantine or release");
        else if (verb is not null && line.Words.Count == 1)
            line.Wrong(verb, "MISSING_ARGUMENT", "wants a NODE: `flatrender nodes` lists them");
        line.OrRefuse();
        await using var session = await QuietSession.OpenAsync(at, stop);
        var farm = await session.Api.FarmAsync(stop);
        if (verb is not null)
        {
            var node = Named(farm, line.Words[1]);
            await session.Api.TellNodeAsync(node.NodeId, verb, line.Value("reason") ?? "asked at the command line", stop);
            farm = await session.Api.FarmAsync(stop);
            farm = farm with { Nodes = [.. farm.Nodes.Where(n => n.NodeId == node.NodeId)] };
        }
        if (line.Has("json"))
            at.Terminal.Output.WriteLine(JsonSerializer.Serialize(farm, Wire.Json));
        else
            Print(at.Terminal.Output, farm);
        return Exit.Ok;
    }

    static FarmNodeView Named(FarmView farm, string name) => farm.Nodes.Where(n => n.Name == name || n.NodeId.ToString().StartsWith(name, StringComparison.OrdinalIgnoreCase)).ToArray() switch
    {
        [var node] => node,
        [] => throw Refusal.BadInput("NO_SUCH_NODE", "is no node: `flatrender nodes` lists them", name),
        var many => throw Refusal.BadInput("MANY_NODES", $"means {many.Length} nodes: give more of the id", name),
    };

    static void Print(TextWriter output, FarmView farm)
    {
        if (farm.Nodes.Count == 0)
            output.WriteLine("no node has ever registered");
        else
            Report.Table(output, farm.Nodes.Select(n => new[] { $"{n.NodeId}", n.Name, n.State, $"{n.Busy}/{n.Slots}", $"{n.Crashes}", string.Join(",", n.Tags), n.State is "ready" or "registered" ? n.Unfit ?? "" : n.Reason }).Prepend(["NODE", "NAME", "STATE", "BUSY", "CRASHES", "TAGS", "REASON"]));
        var leases = farm.Nodes.SelectMany(n => n.Leases.Select(l => new[] { $"  {n.Name}", $"{l.JobId}", $"{l.Kind} {l.Chunk}", $"frames {l.First}-{l.First + l.Count - 1}", $"since {JobsCommand.Time(l.Since)}" })).ToArray();
        Report.Table(output, leases);
        output.WriteLine($"{farm.RendersWaiting} renders wait, {farm.PiecesWaiting} pieces; {farm.PiecesUnderWay} under way");
        if (farm.Refused.Count > 0)
            output.WriteLine("refused calls of nodes: " + string.Join(", ", farm.Refused.Select(r => $"{r.Key} {r.Value.ToString(CultureInfo.InvariantCulture)}")));
    }
}

/// <summary>`flatrender limits`: how many slots tenants and templates may take at once.</summary>
public static class LimitsCommand
{
    public static async Task<int> RunAsync(Workplace at, IReadOnlyList<string> args, CancellationToken stop)
    {
        var line = CommandLine.Parse(args, new("json"), new("reason", "TEXT")).Takes(0, 3, "limit");
        NewLimit? limit = null;
        if (line.Words.Count > 0)
            limit = line.Words is [("tenant" or "template") and var scope, var key, var slots] && (key == "all" || Guid.TryParse(key, out _)) && (slots == "none" || int.TryParse(slots, out _))
                ? new NewLimit(scope, key == "all" ? "" : key, slots == "none" ? null : int.Parse(slots, CultureInfo.InvariantCulture), line.Value("reason"))
                : throw Refusal.BadInput("BAD_LIMIT", "write: flatrender limits tenant|template ID|all N|none");
        line.OrRefuse();
        await using var session = await QuietSession.OpenAsync(at, stop);
        if (limit is not null)
            await session.Api.LimitAsync(limit, stop);
        var limits = (await session.Api.FarmAsync(stop)).Limits;
        if (line.Has("json"))
            at.Terminal.Output.WriteLine(JsonSerializer.Serialize(limits, Wire.Json));
        else if (limits.Count == 0)
            at.Terminal.Output.WriteLine("no limits");
        else
            Report.Table(at.Terminal.Output, limits.Select(l => new[] { l.Scope, l.Key == "" ? "all" : l.Key, $"{l.Slots} slots" }));
        return Exit.Ok;
    }
}
