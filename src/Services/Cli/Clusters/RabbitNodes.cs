using System.Globalization;

namespace FlatRender.Cli;

/// <summary>One private RabbitMQ node: where its data lies and which ports it has. Started again it is the same node.</summary>
/// <param name="Distribution">Port on which nodes speak to each other.</param>
public sealed record RabbitNode(string Folder, string Name, int Port, int Distribution)
{
    public string Url => $"amqp://guest:guest@127.0.0.1:{Port}/";
}

/// <summary>RabbitMQ nodes of our own: no root, no service, own cookie, ports and folders.</summary>
/// <param name="folder">Holds the nodes' folders and the cookie they share.</param>
/// <param name="names">Port of the name service (epmd) they find each other by.</param>
/// <param name="log">Of a node, or of epmd.</param>
public sealed class RabbitNodes(string folder, int names, Func<string, string> log, TimeProvider clock)
{
    const string Binaries = "/usr/lib/rabbitmq/bin";

    public static bool Installed => File.Exists($"{Binaries}/rabbitmq-server");

    /// <summary>The name service. Started by us in the foreground it is ours to stop; started by Erlang it would stay behind.</summary>
    public ProcessMark StartNames() =>
        Programs.StartServer(["epmd", "-port", Text(names), "-address", "127.0.0.1"], new ServerLog(log("epmd")), Basics);

    Dictionary<string, string> Basics => new()
    {
        ["HOME"] = folder,
        ["ERL_EPMD_PORT"] = Text(names),
        ["ERL_EPMD_ADDRESS"] = "127.0.0.1",
    };

    /// <summary>Starts a node; it does not wait for it.</summary>
    /// <param name="all">Every node of the cluster, this one among them.</param>
    public (ProcessMark Process, ServerLog Log) Start(RabbitNode node, IReadOnlyList<RabbitNode> all)
    {
        if (!Installed)
            throw Refusal.BadInput("NO_RABBITMQ", "there is no RabbitMQ: install the package `rabbitmq-server`");
        foreach (var part in new[] { "mnesia", "log" })
            Directory.CreateDirectory(Path.Combine(node.Folder, part));
        string Of(string name) => Path.Combine(node.Folder, name);
        File.WriteAllText(Of("empty"), "");
        File.WriteAllText(Of("plugins"), "[].\n");
        File.WriteAllText(Of("rabbitmq.conf"), $"listeners.tcp.local = 127.0.0.1:{node.Port}\ndisk_free_limit.absolute = 50MB\n" + (all.Count < 2 ? "" :
            "cluster_formation.peer_discovery_backend = classic_config\n" + string.Concat(all.Select((n, i) => $"cluster_formation.classic_config.nodes.{i + 1} = {n.Name}\n"))));
        var environment = new Dictionary<string, string>(Basics)
        {
            ["RABBITMQ_CONF_ENV_FILE"] = Of("empty"),
            ["RABBITMQ_CONFIG_FILE"] = Of("rabbitmq.conf"),
            ["RABBITMQ_NODENAME"] = node.Name,
            ["RABBITMQ_NODE_PORT"] = Text(node.Port),
            ["RABBITMQ_DIST_PORT"] = Text(node.Distribution),
            ["RABBITMQ_MNESIA_BASE"] = Of("mnesia"),
            ["RABBITMQ_LOG_BASE"] = Of("log"),
            ["RABBITMQ_LOGS"] = "-",
            ["RABBITMQ_ENABLED_PLUGINS_FILE"] = Of("plugins"),
            ["RABBITMQ_PID_FILE"] = Of("pid"),
        };
        var words = new ServerLog(log(node.Name.Split('@')[0]));
        return (Programs.StartServer([$"{Binaries}/rabbitmq-server"], words, environment), words);
    }

    /// <summary>Returns when the node takes connections.</summary>
    public async Task WaitAsync(ProcessMark process, ServerLog words, CancellationToken stop)
    {
        while (!words.Lines().Any(l => l.Contains("Server startup complete", StringComparison.Ordinal)))
        {
            if (!process.IsAlive)
                throw Refusal.Failed("RABBITMQ_NOT_STARTED", $"RabbitMQ did not start: {words.LastWords} (log: {words.Path})");
            await Task.Delay(TimeSpan.FromMilliseconds(50), clock, stop);
        }
    }

    static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
