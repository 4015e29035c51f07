using System.Globalization;

namespace FlatRender.NodeAgent;

/// <summary>What an agent was told at its start: arguments, and secrets from the environment.</summary>
/// <param name="Orchestrators">Its address, or those of several of its processes.</param>
/// <param name="Url">Where the orchestrator reaches this node; null: the address it listens on.</param>
/// <param name="Engines">Engine name -> path of its script.</param>
/// <param name="ParentPid">In embedded use: when this process is gone, the agent goes too.</param>
/// <param name="MemoryMb">What an engine may hold before it is killed.</param>
/// <param name="MinFreeMb">With less room than this on the disk of its home, the node takes nothing new.</param>
/// <param name="FrameSeconds">How long an engine may take for one frame before it is killed.</param>
/// <param name="FrameCpuSeconds">How much processor time it may use for one, all its threads and children together.</param>
public sealed record Settings(
    IReadOnlyList<Uri> Orchestrators, string Listen, string? Url, string Name, int Slots, IReadOnlyList<string> Tags, string Home,
    IReadOnlyDictionary<string, string> Engines, int? ParentPid, int MemoryMb, int CacheMb, string Token, string Secret, int FrameSeconds = 60, int FrameCpuSeconds = 120, int MinFreeMb = 64)
{
    internal Children.EngineLimits Limits => new(MemoryMb, TimeSpan.FromSeconds(FrameSeconds), FrameCpuSeconds);

    public const string TokenVariable = "FLATRENDER_NODE_TOKEN", SecretVariable = "FLATRENDER_ORCHESTRATOR_SECRET";

    public const string Usage = """
        FlatRender.NodeAgent --orchestrator URL[,URL] [--listen http://127.0.0.1:0] [--url URL] [--name NAME] [--slots N] [--tags a,b] [--home DIR]
                             [--engine NAME=PATH]... [--parent-pid PID] [--memory-mb 4096] [--frame-seconds 60] [--frame-cpu-seconds 120] [--cache-mb 2048] [--min-free-mb 64]
        Secrets come from the environment: FLATRENDER_NODE_TOKEN (sent home), FLATRENDER_ORCHESTRATOR_SECRET (signs calls to this node).
        """;

    /// <exception cref="BadArguments">With one sentence for each thing wrong.</exception>
    public static Settings Parse(string[] args, Func<string, string?> environment)
    {
        var problems = new List<string>();
        var given = new Dictionary<string, string>();
        var engines = new Dictionary<string, string>();
        for (var i = 0; i < args.Length; i += 2)
        {
            if (!Known.Contains(args[i])) problems.Add($"'{args[i]}' is no argument of the node agent.");
            else if (i + 1 == args.Length) problems.Add($"{args[i]} needs a value.");
            else if (args[i] == "--engine" && args[i + 1].Split('=', 2) is [{ Length: > 0 } name, { Length: > 0 } path]) engines[name] = Path.GetFullPath(path);
            else if (args[i] == "--engine") problems.Add($"--engine takes NAME=PATH, not '{args[i + 1]}'.");
            else given[args[i]] = args[i + 1];
        }
        int? Number(string name, int least)
        {
            if (!given.TryGetValue(name, out var text)) return null;
            if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least) return number;
            problems.Add($"{name} takes a whole number of at least {least}, not '{text}'.");
            return null;
        }
        string Secret(string name)
        {
            var value = environment(name);
            if (string.IsNullOrEmpty(value)) problems.Add($"The environment variable {name} is not set.");
            return value ?? "";
        }
        var offices = new List<Uri>();
        if (!given.TryGetValue("--orchestrator", out var urls)) problems.Add("--orchestrator is missing: the address of the host.");
        foreach (var url in (urls ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
            if (Uri.TryCreate(url.TrimEnd('/') + "/", UriKind.Absolute, out var office) && office.Scheme is "http" or "https") offices.Add(office);
            else problems.Add($"--orchestrator takes an http address, or several with commas, not '{url}'.");
        if (offices.Count == 0 && problems.Count == 0) problems.Add("--orchestrator names no address.");
        if (engines.Count == 0)
        {
            if (FindSkottie() is { } script) engines["skottie"] = script;
            else problems.Add("No engine: skottie/engine.mjs is not beside the agent; name one with --engine skottie=PATH.");
        }
        foreach (var (name, path) in engines)
            if (!File.Exists(path)) problems.Add($"The engine {name} is not at '{path}'.");
        var settings = new Settings(
            offices, given.GetValueOrDefault("--listen", "http://127.0.0.1:0"), given.GetValueOrDefault("--url"), given.GetValueOrDefault("--name", Environment.MachineName),
            Number("--slots", 1) ?? Environment.ProcessorCount, given.GetValueOrDefault("--tags", "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries),
            Path.GetFullPath(given.GetValueOrDefault("--home", ".flatrender/node")), engines, Number("--parent-pid", 1), Number("--memory-mb", 64) ?? 4096, Number("--cache-mb", 1) ?? 2048,
            Secret(TokenVariable), Secret(SecretVariable), Number("--frame-seconds", 1) ?? 60, Number("--frame-cpu-seconds", 1) ?? 120, Number("--min-free-mb", 0) ?? 64);
        return problems.Count == 0 ? settings : throw new BadArguments(problems);
    }

    static readonly HashSet<string> Known =
        ["--orchestrator", "--listen", "--url", "--name", "--slots", "--tags", "--home", "--engine", "--parent-pid", "--memory-mb", "--frame-seconds", "--frame-cpu-seconds", "--cache-mb", "--min-free-mb"];

    /// <summary>Beside the executable when published; in a source tree, beside the project that was built.</summary>
    static string? FindSkottie()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var script = Path.Combine(folder.FullName, "skottie", "engine.mjs");
            if (File.Exists(script)) return script;
        }
        return null;
    }
}

/// <summary>The command line makes no sense; each problem is a sentence.</summary>
public sealed class BadArguments(IReadOnlyList<string> problems) : Exception(string.Join('\n', problems));
