using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using FlatRender.Cli;
using FlatRender.Contracts;
using Npgsql;

namespace FlatRender.Bench;

/// <summary>A host and agents as programs of their own, to be killed and started again: the host on one port, each agent in one home, so that it is the node it was.</summary>
sealed class KillYard : IAsyncDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("flatrender-kills-").FullName;
    readonly string _root = Root();
    readonly string _name = "kills_" + Ids.New().ToString("N")[..12];
    readonly string _server;
    readonly int _port = Ports.Low(10);
    readonly Dictionary<int, Process> _agents = [];
    readonly (string Api, string Node, string Orchestrator) _secrets = (Secret(), Secret(), Secret());
    Process? _host;

    /// <param name="server">A PostgreSQL's connection string, of a superuser.</param>
    public KillYard(string server)
    {
        _server = server;
        Database = NpgsqlDataSource.Create(Connection + ";Maximum Pool Size=6");
        Api = new Api($"http://127.0.0.1:{_port}", _secrets.Api, TimeProvider.System);
    }

    public NpgsqlDataSource Database { get; }
    public Api Api { get; }
    public bool HostLives => _host is { HasExited: false };

    string Connection => new NpgsqlConnectionStringBuilder(_server) { Database = _name }.ConnectionString;

    public async Task OpenAsync(int agents)
    {
        await AdministerAsync($"CREATE DATABASE {_name}");
        await StartHostAsync();
        for (var i = 0; i < agents; i++) StartAgent(i);
    }

    public async Task StartHostAsync()
    {
        _host = Start("host", ["dotnet", Built("Host", "FlatRender.Host"), "serve", "--urls", $"http://127.0.0.1:{_port}", "--home", Path.Combine(_folder, "home"), "--broker", "memory"], new() { ["FLATRENDER_DATABASE"] = Connection });
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(4), TimeProvider.System);
        while (!await Api.IsReadyAsync(patience.Token))
        {
            if (_host.HasExited) throw new InvalidOperationException($"The host did not start: {Log("host")}");
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, patience.Token);
        }
    }

    public void StartAgent(int number) => _agents[number] = Start($"agent{number}",
        ["dotnet", Built("NodeAgent", "FlatRender.NodeAgent"), "--orchestrator", $"http://127.0.0.1:{_port}", "--slots", "1", "--name", $"agent{number}", "--home", Path.Combine(_folder, $"agent{number}")], []);

    /// <summary>The agents that live.</summary>
    public IReadOnlyList<int> Agents => [.. _agents.Where(a => !a.Value.HasExited).Select(a => a.Key).Order()];

    public NodeId? NodeOf(int agent) => File.Exists(Path.Combine(_folder, $"agent{agent}", "node-id")) ? new NodeId(Guid.Parse(File.ReadAllText(Path.Combine(_folder, $"agent{agent}", "node-id")))) : null;

    /// <summary>The children that draw, of this agent or of all.</summary>
    public IReadOnlyList<int> Engines(int? agent = null) =>
        [.. Kin.Of(_agents.Where(a => agent is null || a.Key == agent).Select(a => a.Value.Id)).Where(pid => Kin.Words(pid).Contains("engine.mjs", StringComparison.Ordinal))];

    public void KillHost()
    {
        Kill(_host!.Id);
        _host.WaitForExit();
    }

    public void KillAgent(int agent)
    {
        Kill(_agents[agent].Id);
        _agents[agent].WaitForExit();
    }

    public static void Kill(int pid) => Kin.Send(pid, 9);

    public string Log(string of) => File.Exists(Path.Combine(_folder, of + ".log")) ? string.Join('\n', File.ReadLines(Path.Combine(_folder, of + ".log")).TakeLast(20)) : "";

    Process Start(string name, string[] words, Dictionary<string, string> more)
    {
        // Through a shell that becomes the program: what it says goes to its file, whoever reads it.
        var info = new ProcessStartInfo("/bin/sh", ["-c", $"exec \"$@\" >> '{Path.Combine(_folder, name + ".log")}' 2>&1", "sh", .. words]) { WorkingDirectory = _folder };
        (string, string)[] variables = [("FLATRENDER_API_TOKEN", _secrets.Api), ("FLATRENDER_NODE_TOKEN", _secrets.Node), ("FLATRENDER_ORCHESTRATOR_SECRET", _secrets.Orchestrator), .. more.Select(m => (m.Key, m.Value))];
        foreach (var (key, value) in variables) info.Environment[key] = value;
        return Process.Start(info)!;
    }

    string Built(string folder, string name) => Path.Combine(_root, "src", "Services", folder, "bin", "Release", "net10.0", name + ".dll");

    async Task AdministerAsync(string sql)
    {
        await using var source = NpgsqlDataSource.Create(_server);
        await using var command = source.CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }

    static string Secret() => Ids.New().ToString("N");

    static string Root()
    {
        for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
            if (File.Exists(Path.Combine(at.FullName, "FlatRender.sln"))) return at.FullName;
        throw new FileNotFoundException("FlatRender.sln is not above this program.");
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var engine in Engines()) Kill(engine);
        foreach (var process in _agents.Values.Append(_host).OfType<Process>())
        {
            if (!process.HasExited) Kill(process.Id);
            await process.WaitForExitAsync();
            process.Dispose();
        }
        Api.Dispose();
        await Database.DisposeAsync();
        await AdministerAsync($"DROP DATABASE IF EXISTS {_name} WITH (FORCE)");
        Directory.Delete(_folder, recursive: true);
    }
}
