namespace FlatRender.SystemTests;

/// <summary>The server as its next version might be: this build, with a fact that has one member more. Its contracts are compiled anew beside, the rest is the same.</summary>
sealed class NextVersion : IDisposable
{
    const string Now = "public sealed record JobRendering(JobId JobId, int Order, int Stalls, NodeId? NodeId, DateTimeOffset StartedAt, string Reason) : IAboutOrder;";

    readonly string _folder = Directory.CreateTempSubdirectory("flatrender-next-").FullName;

    /// <summary>What only the next version writes.</summary>
    public const string Trace = "\"season\":\"spring\"";

    public string Host => Path.Combine(_folder, "FlatRender.Host.dll");

    public static async Task<NextVersion> BuildAsync()
    {
        var next = new NextVersion();
        var built = Path.GetDirectoryName(Checkout.Host)!;
        foreach (var file in Directory.EnumerateFiles(built, "*", SearchOption.AllDirectories))
        {
            var to = Path.Combine(next._folder, Path.GetRelativePath(built, file));
            Directory.CreateDirectory(Path.GetDirectoryName(to)!);
            File.Copy(file, to);
        }
        Directory.CreateSymbolicLink(Path.Combine(next._folder, "prepare"), Path.Combine(Checkout.Root, "src/Services/Render/prepare"));
        await next.CompileContractsAsync();
        return next;
    }

    async Task CompileContractsAsync()
    {
        var contracts = Path.Combine(Checkout.Root, "src/Contracts");
        var text = File.ReadAllText(Path.Combine(contracts, "Render.cs"));
        text.ShouldContain(Now);
        var render = Path.Combine(_folder, "Render.cs");
        File.WriteAllText(render, text.Replace(Now, Now[..^1] + " { public string Season { get; init; } = \"spring\"; }", StringComparison.Ordinal));
        var sources = Directory.GetFiles(contracts, "*.cs").Where(f => Path.GetFileName(f) != "Render.cs").Concat(Directory.GetFiles(Path.Combine(contracts, "obj/Release/net10.0"), "*.cs")).Append(render);
        var words = new[] { "-target:library", "-nullable:enable", "-optimize", "-deterministic", $"-out:{Path.Combine(_folder, "FlatRender.Contracts.dll")}" }
            .Concat(((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(':').Where(a => Path.GetFileName(a).StartsWith("System.", StringComparison.Ordinal) || Path.GetFileName(a) is "netstandard.dll" or "mscorlib.dll").Select(a => $"-r:{a}"))
            .Concat(sources);
        var list = Path.Combine(_folder, "compile.rsp");
        File.WriteAllLines(list, words.Select(w => $"\"{w}\""));
        using var compiler = Running.Start(_folder, new Dictionary<string, string?>(), "dotnet", "exec", Compiler(), "-noconfig", "@" + list);
        var said = await compiler.EndAsync();
        said.ExitCode.ShouldBe(0, $"{said}");
    }

    /// <summary>The C# compiler of the newest SDK here.</summary>
    static string Compiler() =>
        Directory.GetFiles(Path.GetFullPath(Path.Combine(System.Runtime.InteropServices.RuntimeEnvironment.GetRuntimeDirectory(), "../../../sdk")), "csc.dll", SearchOption.AllDirectories).Where(f => f.Contains("/bincore/", StringComparison.Ordinal)).Order(StringComparer.Ordinal).Last();

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}

/// <summary>How a server process was started, so that another can be in its place.</summary>
sealed record Start(IReadOnlyList<string> Words, IReadOnlyDictionary<string, string?> Variables)
{
    public static Start Of(int pid) => new(
        Read(pid, "cmdline"),
        Read(pid, "environ").Where(v => v.Contains('=')).Select(v => v.Split('=', 2)).DistinctBy(v => v[0]).ToDictionary(v => v[0], v => (string?)v[1]));

    /// <summary>The same with another program.</summary>
    public Running Again(string program) => Running.Start("/", Variables, ["dotnet", program, .. Words.Skip(2)]);

    static string[] Read(int pid, string what) => File.ReadAllText($"/proc/{pid}/{what}").TrimEnd('\0').Split('\0');
}
