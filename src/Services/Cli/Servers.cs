using System.Diagnostics;

namespace FlatRender.Cli;

/// <param name="Port">Of the host; 0 for any that is free.</param>
/// <param name="Database">A connection string; null for the private PostgreSQL.</param>
/// <param name="Node">False where only the host's answers are wanted, and no frames.</param>
public sealed record Wanted(int Port, int Slots, string? Database, bool Stays, bool Node = true);

/// <summary>Starts and stops database, host and render node. Callers hold the home's lock.</summary>
public sealed class Servers(Workplace at)
{
    /// <summary>Seconds each start took, of this call.</summary>
    public Dictionary<string, double> Seconds { get; } = [];

    /// <summary>Starts what does not run. What depends on something that was started anew is started anew as well.</summary>
    public async Task<RunNote> StartMissingAsync(RunNote? was, Wanted wanted, Leash? leash, CancellationToken stop)
    {
        var note = was ?? new RunNote(wanted.Stays, "", wanted.Database, wanted.Slots, null, null, null, at.Clock.GetUtcNow());
        note = note with { Stays = wanted.Stays, Database = wanted.Database, Slots = wanted.Slots };
        var secrets = Secrets.Of(at.Home);
        try
        {
            var connection = note.Database;
            if (connection is null)
            {
                var before = note.Postgres;
                var (postgres, port) = await TimedAsync("postgres", () => Postgres(secrets).StartAsync(stop));
                if (postgres != before)
                {
                    leash?.Hold(postgres, Signals.Interrupt);
                    await StopHostAndNodeAsync(note);
                    note = Noted(note with { Postgres = postgres, Host = null, Node = null });
                }
                connection = PrivatePostgres.ConnectionString(port, secrets.DatabasePassword);
            }
            if (note.Host is not { IsAlive: true })
            {
                await StopHostAndNodeAsync(note);
                note = note with { Host = null, Node = null };
                var (host, url) = await TimedAsync("host", () => StartHostAsync(wanted.Port, connection, secrets, leash, stop));
                note = Noted(note with { Host = host, Url = url });
            }
            if (wanted.Node && note.Node is not { IsAlive: true })
                note = await TimedAsync("node", () => Task.FromResult(Noted(note with { Node = StartNode(note, secrets, leash) })));
            return Noted(note);
        }
        catch
        {
            // A start that fails leaves nothing half up, except what ran before.
            if (was is null)
                await StopAsync(note);
            throw;
        }
    }

    public async Task StopAsync(RunNote note)
    {
        await StopHostAndNodeAsync(note);
        if (note.Postgres is { } postgres)
            await PrivatePostgres.StopAsync(postgres, at.Clock);
        RunNote.Forget(at.Home);
    }

    async Task StopHostAndNodeAsync(RunNote note)
    {
        // The node says good-bye to the host, so it goes first.
        if (note.Node is { } node)
            await node.StopAsync(Signals.Terminate, TimeSpan.FromSeconds(10), at.Clock);
        if (note.Host is { } host)
            await host.StopAsync(Signals.Terminate, TimeSpan.FromSeconds(15), at.Clock);
    }

    RunNote Noted(RunNote note)
    {
        note.Write(at.Home);
        return note;
    }

    public PrivatePostgres Postgres(Secrets secrets) => new(at.Home, "postgres", durable: true, secrets.DatabasePassword, at.Clock);

    async Task<(ProcessMark, string Url)> StartHostAsync(int port, string connection, Secrets secrets, Leash? leash, CancellationToken stop)
    {
        MustExist(at.HostDll);
        var log = new ServerLog(at.Home.Log("host"));
        var host = Programs.StartServer(
            ["dotnet", at.HostDll, "serve", "--roles", "all", "--urls", $"http://127.0.0.1:{port}", "--home", at.Home.Folder, "--broker", "memory"],
            log, Environment(secrets, connection));
        leash?.Hold(host, Signals.Terminate);
        try
        {
            while (true)
            {
                if (log.Lines().FirstOrDefault(l => l.StartsWith("ready http", StringComparison.Ordinal)) is { } ready)
                    return (host, ready["ready ".Length..].Trim());
                if (!host.IsAlive)
                    throw HostFailure(log, port);
                await Task.Delay(TimeSpan.FromMilliseconds(15), at.Clock, stop);
            }
        }
        catch
        {
            await host.StopAsync(Signals.Terminate, TimeSpan.FromSeconds(5), at.Clock);
            throw;
        }
    }

    static Refusal HostFailure(ServerLog log, int port)
    {
        if (log.Lines().Any(l => l.Contains("address already in use", StringComparison.OrdinalIgnoreCase)))
            return Refusal.BadInput("PORT_IN_USE", $"port {port} is in use by another program: choose another with --port");
        if (log.DiskWasFull)
            return Refusal.BadInput("DISK_FULL", "no disk space for the data folder");
        return Refusal.Failed("HOST_NOT_STARTED", $"the host did not start: {log.LastWords} (log: {log.Path})");
    }

    ProcessMark StartNode(RunNote note, Secrets secrets, Leash? leash)
    {
        MustExist(at.NodeAgentDll);
        // The node ends with its host: a host that is killed leaves no node behind.
        var node = Programs.StartServer(
            ["dotnet", at.NodeAgentDll, "--orchestrator", note.Url, "--listen", "http://127.0.0.1:0", "--slots", $"{note.Slots}", "--name", "local", "--home", at.Home.Node, "--parent-pid", $"{note.Host!.Pid}"],
            new ServerLog(at.Home.Log("node")), Environment(secrets, connection: null));
        leash?.Hold(node, Signals.Terminate);
        return node;
    }

    public static void MustExist(string program)
    {
        if (!File.Exists(program))
            throw Refusal.Failed("NOT_BUILT", $"{program} is not built: call the launcher `./flatrender`, which builds");
    }

    /// <summary>Secrets travel by environment: a command line can be read by everyone on the machine.</summary>
    public static IReadOnlyDictionary<string, string> Environment(Secrets secrets, string? connection)
    {
        var variables = new Dictionary<string, string>
        {
            ["FLATRENDER_NODE_TOKEN"] = secrets.NodeToken,
            ["FLATRENDER_ORCHESTRATOR_SECRET"] = secrets.OrchestratorSecret,
            ["DOTNET_NOLOGO"] = "1",
        };
        if (connection is not null)
        {
            variables["FLATRENDER_API_TOKEN"] = secrets.ApiToken;
            variables["FLATRENDER_DATABASE"] = connection;
        }
        return variables;
    }

    async Task<T> TimedAsync<T>(string what, Func<Task<T>> start)
    {
        var since = Stopwatch.GetTimestamp();
        var result = await start();
        Seconds[what] = Stopwatch.GetElapsedTime(since).TotalSeconds;
        return result;
    }
}
