using System.Text.Json;
using FlatRender.Cli;
using FlatRender.Contracts;

namespace FlatRender.Bench;

/// <summary>An installation of one's own in a temporary folder: database, host and as many nodes as are wanted, all real processes.</summary>
sealed class Yard : IAsyncDisposable
{
    readonly Workplace _at;
    readonly List<ProcessMark> _nodes = [];
    RunNote _note = null!;

    Yard(Workplace at, string folder) => (_at, Folder) = (at, folder);

    public string Folder { get; }
    public Api Api { get; private set; } = null!;
    public string Url => _note.Url;
    public string Root => _at.Root;
    public string Engine => Path.Combine(Root, "src/Services/NodeAgent/skottie/engine.mjs");
    public string HostBlob(string digest) => Path.Combine(_at.Home.Folder, "files", digest[..2], digest);
    public IReadOnlyList<ProcessMark> Nodes => _nodes;

    /// <summary>Every process of the installation, without their children.</summary>
    public IEnumerable<int> Everyone => new[] { _note.Host?.Pid, _note.Postgres?.Pid }.OfType<int>().Concat(_nodes.Where(n => n.IsAlive).Select(n => n.Pid));

    /// <summary>Seconds of processor so far, by who used them: what nodes started and is over is ffmpeg's, what still runs are engines.</summary>
    public IReadOnlyDictionary<string, double> Shares()
    {
        int[] nodes = [.. _nodes.Where(n => n.IsAlive).Select(n => n.Pid)];
        var (host, database) = (_note.Host!.Pid, _note.Postgres?.Pid);
        return new Dictionary<string, double>
        {
            ["engines"] = Kin.Of(nodes).Except(nodes).Sum(pid => Kin.Cpu(pid, ended: true)),
            ["ffmpeg"] = nodes.Sum(pid => Kin.Cpu(pid, ended: true) - Kin.Cpu(pid, ended: false)),
            ["agents"] = nodes.Sum(pid => Kin.Cpu(pid, ended: false)),
            ["host"] = Kin.Cpu(host, ended: false),
            ["preparation"] = Kin.Cpu([host]) - Kin.Cpu(host, ended: false),
            ["database"] = database is { } p ? Kin.Cpu([p]) : 0,
        };
    }

    public static async Task<Yard> OpenAsync(CancellationToken stop)
    {
        var folder = Directory.CreateTempSubdirectory("flatrender-bench-").FullName;
        // The database runs as a user of its own, who must be able to come in.
        File.SetUnixFileMode(folder, (UnixFileMode)0b111_101_101);
        var here = Workplace.Here();
        var at = here with { Home = new Home(Path.Combine(folder, "home")), Folder = folder, Variable = _ => null };
        var yard = new Yard(at, folder);
        try
        {
            at.Home.Prepare();
            await using var held = await at.Home.LockAsync(at.Clock, stop);
            yard._note = await new Servers(at).StartMissingAsync(null, new Wanted(Port: 0, Slots: 1, Database: null, Stays: true, Node: false), leash: null, stop);
            yard.Api = new Api(yard.Url, FlatRender.Cli.Secrets.Of(at.Home).ApiToken, at.Clock);
            return yard;
        }
        catch
        {
            await yard.DisposeAsync();
            throw;
        }
    }

    public string NodeHome(string name) => Path.Combine(Folder, name);

    /// <summary>Starts a node as its own process; it ends with the host.</summary>
    /// <param name="orchestrator">Where it calls home; null: the host itself.</param>
    public ProcessMark StartNode(string name, int slots, string? orchestrator = null, IEnumerable<string>? more = null, IReadOnlyDictionary<string, string>? variables = null)
    {
        var environment = new Dictionary<string, string>(FlatRender.Cli.Servers.Environment(FlatRender.Cli.Secrets.Of(_at.Home), connection: null));
        foreach (var (key, value) in variables ?? new Dictionary<string, string>()) environment[key] = value;
        var node = Programs.StartServer(
            ["dotnet", _at.NodeAgentDll, "--orchestrator", orchestrator ?? Url, "--name", name, "--slots", $"{slots}", "--home", NodeHome(name), "--parent-pid", $"{_note.Host!.Pid}", .. more ?? []],
            new ServerLog(_at.Home.Log(name)), environment);
        _nodes.Add(node);
        return node;
    }

    /// <summary>A film from submission to its end.</summary>
    public async Task<RenderView> RenderAsync(NewRender render, Func<RenderView, Task>? seen, TimeSpan look, CancellationToken stop)
    {
        var view = await Api.SubmitAsync(render, Ids.New(), stop);
        while (!Step.IsTerminal(view.Step))
        {
            if (seen is not null) await seen(view);
            await Task.Delay(look, _at.Clock, stop);
            view = await Api.RenderAsync(view.JobId, stop);
        }
        return view;
    }

    public Task<TemplateView> AddTemplateAsync(object lottie, CancellationToken stop) =>
        Api.AddTemplateAsync(JsonSerializer.SerializeToUtf8Bytes(new { name = "bench", lottie }, Wire.Json), stop);

    public async Task<byte[]> FilmAsync(JobId job, CancellationToken stop)
    {
        using var film = new MemoryStream();
        await Api.FilmAsync(job, film, stop);
        return film.ToArray();
    }

    /// <summary>The last lines of a log, for when something went wrong.</summary>
    public string Tail(string log, int lines = 20) => string.Join('\n', File.Exists(_at.Home.Log(log)) ? File.ReadLines(_at.Home.Log(log)).TakeLast(lines) : []);

    public async ValueTask DisposeAsync()
    {
        Api?.Dispose();
        foreach (var node in _nodes) await node.StopAsync(Signals.Terminate, TimeSpan.FromSeconds(10), _at.Clock);
        if (_note is not null) await new Servers(_at).StopAsync(_note);
        Directory.Delete(Folder, recursive: true);
    }
}
