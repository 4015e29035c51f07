using System.Text.Json;
using FlatRender.Cli;
using FlatRender.Contracts;
using Npgsql;

namespace FlatRender.SystemTests;

/// <summary>A FlatRender of one's own: a home in a temporary folder, and the real command line on it. What it started is gone when it is disposed.</summary>
public sealed class Installation : IAsyncDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("flatrender-system-").FullName;
    readonly Dictionary<string, string?> _variables;
    NpgsqlDataSource? _database;
    string? _connection;
    int _films;

    public Installation(string? home = null)
    {
        // The database runs as a user of its own, who must be able to come in.
        File.SetUnixFileMode(_folder, (UnixFileMode)0b111_101_101);
        Desk = Directory.CreateDirectory(Path.Combine(_folder, "desk")).FullName;
        Home = new Home(home ?? Path.Combine(_folder, "home"));
        _variables = new()
        {
            ["FLATRENDER_ROOT"] = Checkout.Root,
            ["FLATRENDER_HOME"] = Home.Folder,
            ["FLATRENDER_URL"] = null,
            ["FLATRENDER_API_TOKEN"] = null,
            ["FLATRENDER_DATABASE"] = null,
        };
    }

    public Home Home { get; }

    /// <summary>Where commands are called, and films go.</summary>
    public string Desk { get; }

    public string Write(string name, string text)
    {
        var path = Path.Combine(Desk, name);
        File.WriteAllText(path, text);
        return path;
    }

    public Running Start(params IEnumerable<string> words) => Running.Start(Desk, _variables, ["dotnet", Checkout.Program, .. words]);

    /// <param name="more">Environment of this command alone.</param>
    public Running Start(IEnumerable<string> words, IReadOnlyDictionary<string, string> more) =>
        Running.Start(Desk, _variables.Where(v => !more.ContainsKey(v.Key)).Concat(more.Select(v => KeyValuePair.Create(v.Key, (string?)v.Value))).ToDictionary(), ["dotnet", Checkout.Program, .. words]);

    public async Task<Said> RunAsync(params IEnumerable<string> words)
    {
        using var running = Start(words);
        return await running.EndAsync();
    }

    public async Task UpAsync(params IEnumerable<string> options)
    {
        var said = await RunAsync(["up", "--port", "0", .. options]);
        said.ExitCode.ShouldBe(0, $"{said}");
    }

    /// <summary>Starts again what has died.</summary>
    public async Task UpAgainAsync()
    {
        var said = await RunAsync("up");
        said.ExitCode.ShouldBe(0, $"{said}");
    }

    /// <summary>Renders a film that must come out well.</summary>
    public async Task<Film> RenderAsync(string template, params IEnumerable<string> options)
    {
        var path = Path.Combine(Desk, $"film-{Interlocked.Increment(ref _films)}.mp4");
        var said = await RunAsync(["render", template, "-o", path, "--json", .. options]);
        said.ExitCode.ShouldBe(0, $"{template} {string.Join(' ', options)}: {said}");
        using var answer = JsonDocument.Parse(said.Output);
        return new Film(path, answer.RootElement.GetProperty("render").Deserialize<RenderView>(Wire.Json)!, said.Notes);
    }

    public RunNote Note => RunNote.Read(Home) ?? throw new InvalidOperationException("Nothing runs.");
    public FlatRender.Cli.Secrets Secrets => FlatRender.Cli.Secrets.Of(Home);
    public Api Api() => new(Note.Url, Secrets.ApiToken, TimeProvider.System);
    public string Blob(string digest) => Path.Combine(Home.Folder, "files", digest[..2], digest);

    /// <summary>What the renderer says it drew, frame by frame: from the manifests that lie among the files. A chunk that was drawn twice (its lease was lost) was drawn the same.</summary>
    public IReadOnlyList<FrameMark> Marks(JobId job) => [.. Manifests(job).SelectMany(m => m.Frames).Distinct().OrderBy(f => f.Index)];

    public IReadOnlyList<SegmentManifest> Manifests(JobId job) => Manifests(job, Home);

    public static IReadOnlyList<SegmentManifest> Manifests(JobId job, Home home) =>
        [.. Directory.GetFiles(Path.Combine(home.Folder, "files"), "*", SearchOption.AllDirectories).Where(LooksLikeManifest)
            .Select(f => JsonSerializer.Deserialize<SegmentManifest>(File.ReadAllText(f), Wire.Json)!).Where(m => m.JobId == job).OrderBy(m => m.First)];

    static bool LooksLikeManifest(string file)
    {
        using var reader = new StreamReader(file);
        var start = new char[10];
        return new string(start, 0, reader.ReadBlock(start)) == "{\"job_id\":";
    }

    /// <summary>The host's own database: its environment tells the way.</summary>
    public Book Book
    {
        get
        {
            var connection = File.ReadAllText($"/proc/{Note.Host!.Pid}/environ").Split('\0').Single(v => v.StartsWith("FLATRENDER_DATABASE=", StringComparison.Ordinal))["FLATRENDER_DATABASE=".Length..];
            if (connection != _connection)
            {
                _database?.Dispose();
                (_database, _connection) = (NpgsqlDataSource.Create(connection + ";Maximum Pool Size=4;Pooling=false"), connection);
            }
            return new Book(_database!);
        }
    }

    /// <summary>Every process that belongs to this home, with its words: its environment, its folder or its command line says so.</summary>
    public IReadOnlyList<(int Pid, string Words)> Processes() =>
        [.. Directory.GetDirectories("/proc").Select(d => (Folder: d, Pid: int.TryParse(Path.GetFileName(d), out var pid) ? pid : 0)).Where(p => p.Pid > 0 && Belongs(p.Folder)).Select(p => (p.Pid, Read(p.Folder + "/cmdline").Replace('\0', ' ')))];

    public IReadOnlyList<int> Engines() => [.. Processes().Where(p => p.Words.Contains("engine.mjs", StringComparison.Ordinal)).Select(p => p.Pid)];

    public void SignalEngines(int signal)
    {
        foreach (var engine in Engines()) Signal.Send(engine, signal);
    }

    bool Belongs(string process) =>
        Read(process + "/environ").Split('\0').Contains($"FLATRENDER_HOME={Home.Folder}") || Read(process + "/cmdline").Contains(Home.Folder, StringComparison.Ordinal)
        || (Link(process + "/cwd") + "/").StartsWith(Home.Folder + "/", StringComparison.Ordinal);

    static string Read(string file)
    {
        try
        {
            return File.ReadAllText(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It has ended, or it is another user's.
            return "";
        }
    }

    static string Link(string file)
    {
        try
        {
            return new FileInfo(file).LinkTarget ?? "";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_database is not null)
            await _database.DisposeAsync();
        if (Directory.Exists(Home.Folder))
            await RunAsync("down");
        foreach (var (pid, _) in Processes())
            Signal.Send(pid, Signal.Kill);
        await Wait.UntilAsync("the processes of a test are gone", () => Processes().Count == 0);
        Directory.Delete(_folder, recursive: true);
    }
}
