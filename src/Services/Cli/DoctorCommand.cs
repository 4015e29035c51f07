using System.Text.RegularExpressions;

namespace FlatRender.Cli;

/// <summary>`flatrender doctor`: what is installed, what runs, what is wrong and how to mend it.</summary>
public static partial class DoctorCommand
{
    /// <param name="Mend">What to do about it; null where all is well.</param>
    sealed record Finding(string What, string Says, string? Mend = null);

    public static async Task<int> RunAsync(Workplace at, IReadOnlyList<string> args, CancellationToken stop)
    {
        CommandLine.Parse(args).Takes(0, 0, "").OrRefuse();
        Finding[] findings =
        [
            .. await InstalledAsync(at, stop),
            Modules(at, "render engine", "src/Services/NodeAgent/skottie"),
            Modules(at, "preparation", "src/Services/Render/prepare"),
            Built("host", at.HostDll), Built("node agent", at.NodeAgentDll),
            .. Data(at),
            .. await RunningAsync(at, stop),
        ];
        if (Timing.Last(at.Home.LastTiming) is { } last)
            findings = [.. findings, new("last render", last)];
        Report.Table(at.Terminal.Output, findings.Select(f => new[] { f.Mend is null ? "ok" : "WRONG", f.What, f.Says }));
        var wrong = findings.Where(f => f.Mend is not null).ToArray();
        if (wrong.Length > 0)
            at.Terminal.Output.WriteLine("\nTo mend:");
        foreach (var finding in wrong)
            at.Terminal.Output.WriteLine($"  {finding.What}: {finding.Mend}");
        return wrong.Length == 0 ? Exit.Ok : Exit.Failed;
    }

    static async Task<IReadOnlyList<Finding>> InstalledAsync(Workplace at, CancellationToken stop)
    {
        const string launcher = "`./flatrender render` or `up` installs it, as root or through sudo; else install";
        var postgres = PrivatePostgres.FindBinaries(at.Home);
        return
        [
            new("dotnet", Environment.Version.ToString()),
            await ToolAsync("node", ["node", "--version"], text => int.TryParse(text.Split('.')[0], out var major) && major >= 18, $"{launcher} Node.js 18 or later (packages nodejs, npm)", stop),
            await ToolAsync("ffmpeg", ["ffmpeg", "-version"], _ => true, $"{launcher} the package ffmpeg", stop),
            await X264Async(stop),
            await ToolAsync("ffprobe", ["ffprobe", "-version"], _ => true, $"{launcher} the package ffmpeg", stop),
            postgres is null
                ? at.Variable("FLATRENDER_DATABASE") is { Length: > 0 } ? new("postgres", "not installed; FLATRENDER_DATABASE is used") : new("postgres", "not installed", $"{launcher} the package postgresql")
                : await ToolAsync("postgres", [Path.Combine(postgres, "postgres"), "--version"], _ => true, "install it again", stop),
            File.Exists("/usr/lib/rabbitmq/bin/rabbitmq-server") ? new("rabbitmq", "installed") : new("rabbitmq", "not installed (only `flatrender test` needs it, and installs it)"),
        ];
    }

    static async Task<Finding> ToolAsync(string name, IReadOnlyList<string> command, Func<string, bool> good, string mend, CancellationToken stop)
    {
        if (command[0][0] != '/' && Programs.Find(command[0]) is null)
            return new(name, "not installed", mend);
        var ran = await Programs.RunAsync(command, stop);
        var version = Version().Match(ran.Output) is { Success: true } match ? match.Value : "does not start";
        return ran.ExitCode == 0 && good(version) ? new(name, version) : new(name, version, mend);
    }

    static async Task<Finding> X264Async(CancellationToken stop)
    {
        if (Programs.Find("ffmpeg") is null)
            return new("libx264", "no ffmpeg", "install the package ffmpeg");
        var ran = await Programs.RunAsync(["ffmpeg", "-hide_banner", "-encoders"], stop);
        return ran.Output.Contains("libx264", StringComparison.Ordinal) ? new("libx264", "in ffmpeg") : new("libx264", "missing in this ffmpeg", "use the distribution's package ffmpeg, which has it");
    }

    static Finding Modules(Workplace at, string what, string folder)
    {
        var path = Path.Combine(at.Root, folder);
        if (!File.Exists(Path.Combine(path, "package-lock.json")))
            return new(what, "not in this checkout", $"check out {folder} again");
        var installed = new FileInfo(Path.Combine(path, "node_modules/.package-lock.json"));
        return !installed.Exists ? new(what, "modules not installed", $"`npm ci --ignore-scripts` in {folder} (the launcher does it)")
            : installed.LastWriteTimeUtc < File.GetLastWriteTimeUtc(Path.Combine(path, "package-lock.json")) ? new(what, "modules older than their lock", $"`npm ci --ignore-scripts` in {folder} (the launcher does it)")
            : new(what, "modules installed");
    }

    static Finding Built(string what, string dll) => File.Exists(dll) ? new(what, "built") : new(what, "not built", "`./flatrender up` builds it");

    static IEnumerable<Finding> Data(Workplace at)
    {
        Finding home;
        try
        {
            at.Home.Prepare();
            home = new("home", at.Home.Folder);
        }
        catch (Refusal refusal)
        {
            home = new("home", refusal.Message, "make it writable, or set FLATRENDER_HOME to another folder");
        }
        var free = at.Home.FreeBytes();
        return [home, free < 1_000_000_000 ? new("disk", $"{Report.Bytes(free)} free", "make room: a film and its pieces want 1 GB") : new("disk", $"{Report.Bytes(free)} free")];
    }

    static async Task<IReadOnlyList<Finding>> RunningAsync(Workplace at, CancellationToken stop)
    {
        if (RunNote.Read(at.Home) is not { } note)
            return [new("servers", "not up (`render` starts its own)")];
        var findings = note.Parts().Select(p => p.Process is { IsAlive: true }
            ? new Finding(p.Part, $"runs, process {p.Process.Pid}{(p.Part == "host" ? $", {note.Url}" : "")}")
            : new Finding(p.Part, "has ended", $"`flatrender up` starts it again; its last words are in {at.Home.Log(p.Part)}")).ToList();
        if (note.Host is { IsAlive: true } && !await StatusCommand.ReadyAsync(at, note, stop))
            findings.Add(new("host", $"{note.Url} is not ready", $"see {at.Home.Log("host")}; `flatrender down` and `up` start it anew"));
        return findings;
    }

    [GeneratedRegex(@"\d+(\.\d+)+")]
    private static partial Regex Version();
}
