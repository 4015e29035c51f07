using System.Text.Json;
using FlatRender.Contracts;

namespace FlatRender.Cli;

/// <summary>How many processes of each kind a cluster has.</summary>
/// <param name="Slots">Of each agent.</param>
public sealed record ClusterPlan(int Brokers = 1, int Renders = 2, int Gateways = 2, int Agents = 3, int Slots = 1);

/// <summary>One process of a cluster. Its name and port stay when it is started again.</summary>
/// <param name="Kind">database, names, broker, render, gateway or agent.</param>
/// <param name="Port">Where it listens.</param>
/// <param name="Process">Null: not started yet.</param>
public sealed record ClusterPart(string Name, string Kind, int Port, ProcessMark? Process)
{
    public const string Database = "database", Names = "names", Broker = "broker", Render = "render", Gateway = "gateway", Agent = "agent";

    public bool IsAlive => Process is { IsAlive: true };
    public string Url => $"http://127.0.0.1:{Port}";
}

/// <summary>What a cluster is and what of it runs, as noted in its folder.</summary>
/// <param name="Nodes">The broker's.</param>
public sealed record ClusterNote(ClusterPlan Plan, IReadOnlyList<RabbitNode> Nodes, IReadOnlyList<ClusterPart> Parts, DateTimeOffset StartedAt)
{
    static string PathIn(Home home) => Path.Combine(home.Folder, "cluster.json");

    public static ClusterNote? Read(Home home)
    {
        try
        {
            return JsonSerializer.Deserialize<ClusterNote>(File.ReadAllText(PathIn(home)), Wire.Json);
        }
        catch (Exception e) when (e is IOException or JsonException)
        {
            return null;
        }
    }

    public void Write(Home home) => Private.Write(PathIn(home), JsonSerializer.Serialize(this, Wire.Json));

    public static void Forget(Home home) => File.Delete(PathIn(home));

    /// <summary>A new cluster on ports that are free now. No port is handed out twice, nor to a client of somebody's.</summary>
    public static ClusterNote New(ClusterPlan plan, Home home, DateTimeOffset now)
    {
        var port = 0;
        // A node's name is its identity on its own disk.
        RabbitNode[] nodes = [.. Enumerable.Range(1, plan.Brokers).Select(n => new RabbitNode(Path.Combine(home.Folder, "rabbit", $"{n}"), $"broker-{n}@localhost", Ports.Low(port++), Ports.Low(port++)))];
        IEnumerable<ClusterPart> Of(string kind, int count) => Enumerable.Range(1, count).Select(n => new ClusterPart($"{kind}-{n}", kind, Ports.Low(port++), null));
        return new(plan, nodes,
        [
            new(ClusterPart.Database, ClusterPart.Database, Ports.Low(port++), null),
            new(ClusterPart.Names, ClusterPart.Names, Ports.Low(port++), null),
            .. nodes.Select((n, i) => new ClusterPart($"{ClusterPart.Broker}-{i + 1}", ClusterPart.Broker, n.Port, null)),
            .. Of(ClusterPart.Render, plan.Renders),
            .. Of(ClusterPart.Gateway, plan.Gateways),
            .. Of(ClusterPart.Agent, plan.Agents),
        ], now);
    }

    public ClusterPart this[string name] => Parts.Single(p => p.Name == name);

    public IEnumerable<ClusterPart> Of(string kind) => Parts.Where(p => p.Kind == kind);

    public ClusterNote With(ClusterPart part) => this with { Parts = [.. Parts.Select(p => p.Name == part.Name ? part : p)] };
}
