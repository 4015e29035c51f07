namespace FlatRender.Cli;

/// <summary>Where a process of a cluster finds database and broker, when not at their own doors.</summary>
public sealed record Way(int? DatabasePort, IReadOnlyList<int>? BrokerPorts);

/// <summary>
/// FlatRender apart, on one machine: PostgreSQL, RabbitMQ (one node or several), and the same server in several processes over them. All of it lies in one folder:
/// data, logs, secrets, the note of what runs.
/// </summary>
/// <param name="at">With the cluster's folder as its home.</param>
/// <param name="way">For whoever stands between a process and its servers; null: nobody does.</param>
public sealed class Cluster(Workplace at, Func<string, Way?>? way = null)
{
    /// <summary>The cluster of an installation lies in its home.</summary>
    public static Workplace In(Workplace at) => at with { Home = new Home(Path.Combine(at.Home.Folder, "cluster")) };

    Secrets Secrets => Secrets.Of(at.Home);
    ServerLog Log(string part) => new(at.Home.Log(part));

    /// <summary>Starts what does not run, in the order in which one needs the other.</summary>
    public async Task<ClusterNote> StartMissingAsync(ClusterNote note, CancellationToken stop)
    {
        at.Home.Prepare();
        var secrets = Secrets;
        note.Write(at.Home);
        try
        {
            if (!note[ClusterPart.Names].IsAlive)
                note = Noted(note, note[ClusterPart.Names], Rabbit(note).StartNames());
            var database = StartDatabaseAsync(note, stop);
            var brokers = note.Of(ClusterPart.Broker).Where(b => !b.IsAlive).Select(b => (Part: b, Started: Rabbit(note).Start(NodeOf(note, b), note.Nodes))).ToArray();
            foreach (var (part, started) in brokers)
                note = Noted(note, part, started.Process);
            note = Noted(note, note[ClusterPart.Database], await database);
            foreach (var (_, (process, words)) in brokers)
                await Rabbit(note).WaitAsync(process, words, stop);

            var hosts = note.Parts.Where(p => p.Kind is ClusterPart.Render or ClusterPart.Gateway && !p.IsAlive).Select(p => (Part: p, Log: Log(p.Name))).ToArray();
            foreach (var (part, log) in hosts)
                note = Noted(note, part, StartHost(note, part, log));
            foreach (var (part, log) in hosts)
                await ReadyAsync(note[part.Name], log, stop);
            foreach (var agent in note.Of(ClusterPart.Agent).Where(a => !a.IsAlive))
                note = Noted(note, agent, StartAgent(note, agent));
            return note;
        }
        catch
        {
            // A start that fails leaves nothing half up that nobody knows of.
            note.Write(at.Home);
            throw;
        }
    }

    /// <summary>Stops all that runs; agents say good-bye to their hosts, hosts to their broker.</summary>
    public async Task StopAsync(ClusterNote note)
    {
        foreach (var kind in new[] { ClusterPart.Agent, ClusterPart.Gateway, ClusterPart.Render, ClusterPart.Broker, ClusterPart.Database, ClusterPart.Names })
            await Task.WhenAll(note.Of(kind).Select(p => p.Process?.StopAsync(kind == ClusterPart.Database ? Signals.Interrupt : Signals.Terminate, TimeSpan.FromSeconds(25), at.Clock) ?? Task.CompletedTask));
        ClusterNote.Forget(at.Home);
    }

    /// <summary>What a program needs to find this cluster's doors: the first gateway's address, tokens, database and broker.</summary>
    public Dictionary<string, string> Variables(ClusterNote note) => new(Servers.Environment(Secrets, Database(note, null)))
    {
        ["FLATRENDER_URL"] = note.Of(ClusterPart.Gateway).First().Url,
        ["FLATRENDER_BROKER"] = Broker(note, null),
    };

    async Task<ProcessMark> StartDatabaseAsync(ClusterNote note, CancellationToken stop) =>
        (await new PrivatePostgres(at.Home, "postgres", durable: true, Secrets.DatabasePassword, at.Clock).StartAsync(stop, note[ClusterPart.Database].Port)).Process;

    RabbitNodes Rabbit(ClusterNote note) => new(Path.Combine(at.Home.Folder, "rabbit"), note[ClusterPart.Names].Port, at.Home.Log, at.Clock);

    static RabbitNode NodeOf(ClusterNote note, ClusterPart part) => note.Nodes.Single(n => n.Port == part.Port);

    ProcessMark StartHost(ClusterNote note, ClusterPart part, ServerLog log)
    {
        Servers.MustExist(at.HostDll);
        // Doors on one side, the farm's office with the pipeline on the other. Files are in one folder that all of them share.
        var roles = part.Kind == ClusterPart.Render ? "render,pipeline,file" : "all,-render,-pipeline,-file";
        var environment = new Dictionary<string, string>(Servers.Environment(Secrets, Database(note, way?.Invoke(part.Name)))) { ["FLATRENDER_BROKER"] = Broker(note, way?.Invoke(part.Name)) };
        return Programs.StartServer(["dotnet", at.HostDll, "serve", "--roles", roles, "--urls", part.Url, "--home", at.Home.Folder], log, environment);
    }

    ProcessMark StartAgent(ClusterNote note, ClusterPart part)
    {
        Servers.MustExist(at.NodeAgentDll);
        // Each begins with another render process, and goes on to the next when that is gone.
        var offices = note.Of(ClusterPart.Render).Select(r => r.Url).ToArray();
        var first = int.Parse(part.Name.Split('-')[1], System.Globalization.CultureInfo.InvariantCulture) % offices.Length;
        return Programs.StartServer(
            ["dotnet", at.NodeAgentDll, "--orchestrator", string.Join(',', [.. offices[first..], .. offices[..first]]), "--listen", part.Url, "--slots", $"{note.Plan.Slots}", "--name", part.Name, "--home", Path.Combine(at.Home.Folder, part.Name)],
            Log(part.Name), Servers.Environment(Secrets, connection: null));
    }

    async Task ReadyAsync(ClusterPart part, ServerLog log, CancellationToken stop)
    {
        while (!log.Lines().Any(l => l.StartsWith("ready http", StringComparison.Ordinal)))
        {
            if (!part.IsAlive)
                throw Refusal.Failed("HOST_NOT_STARTED", $"{part.Name} did not start: {log.LastWords} (log: {log.Path})");
            await Task.Delay(TimeSpan.FromMilliseconds(20), at.Clock, stop);
        }
    }

    string Database(ClusterNote note, Way? by) => PrivatePostgres.ConnectionString(by?.DatabasePort ?? note[ClusterPart.Database].Port, Secrets.DatabasePassword) + ";Maximum Pool Size=20";

    static string Broker(ClusterNote note, Way? by) => string.Join(',', (by?.BrokerPorts ?? note.Nodes.Select(n => n.Port)).Select(port => $"amqp://guest:guest@127.0.0.1:{port}/"));

    ClusterNote Noted(ClusterNote note, ClusterPart part, ProcessMark process)
    {
        note = note.With(part with { Process = process });
        note.Write(at.Home);
        return note;
    }
}
