using System.Diagnostics;

namespace FlatRender.Cli.Tests;

/// <summary>The launcher in a small checkout, on a machine that has only what a test puts into its PATH.</summary>
public sealed class LauncherSpecs : IDisposable
{
    const string Program = "src/Services/Cli/bin/Release/net10.0/FlatRender.Cli.dll";

    // Logs its calls; builds by making the program; starts the program by showing its arguments.
    const string Dotnet = $$"""
        #!/bin/bash
        echo "$1" >>"$CALLS"
        case $1 in
          --list-sdks) echo "10.0.100 [/sdk]" ;;
          build) [ ! -e "$FLATRENDER_ROOT/broken" ] || { echo "Card.cs(1,1): error CS1002"; exit 1; }; mkdir -p "$FLATRENDER_ROOT/src/Services/Cli/bin/Release/net10.0"; : >"$FLATRENDER_ROOT/{{Program}}" ;;
          *) printf '[%s]' "${@:2}"; echo ;;
        esac
        """;

    readonly Desk _desk = new();
    readonly string _checkout;

    public LauncherSpecs()
    {
        _checkout = _desk.Path("check out");
        _desk.Write("check out/src/Services/Cli/Card.cs", "");
        _desk.Write("check out/Directory.Build.props", "");
        File.Copy(Path.Combine(Repository(), "flatrender"), Path.Combine(_checkout, "flatrender"));
        foreach (var tool in new[] { "bash", "cat", "find", "flock", "grep", "mkdir", "mv", "readlink", "rm", "sort", "tail", "touch", "tr", "env" })
            File.CreateSymbolicLink(Tool(tool), Programs.Find(tool)!);
        Stub("dotnet", Dotnet);
        Stub("id", "#!/bin/bash\necho 1000");
        Stub("ffmpeg", "#!/bin/bash");
        Stub("ffprobe", "#!/bin/bash");
        Stub("node", "#!/bin/bash\necho v20.1.0");
        Stub("npm", "#!/bin/bash\necho npm \"$1\" >>\"$CALLS\"\nmkdir -p node_modules\ntouch node_modules/.package-lock.json");
    }

    public void Dispose() => _desk.Dispose();

    static string Repository()
    {
        for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
            if (File.Exists(Path.Combine(at.FullName, "flatrender")))
                return at.FullName;
        throw new InvalidOperationException("the launcher is not above the tests");
    }

    string Tool(string name)
    {
        Directory.CreateDirectory(_desk.Path("tools"));
        return _desk.Path("tools/" + name);
    }

    void Stub(string name, string script)
    {
        File.WriteAllText(Tool(name), script);
        File.SetUnixFileMode(Tool(name), (UnixFileMode)0b111_101_101);
    }

    string[] Calls => File.Exists(_desk.Path("calls")) ? File.ReadAllLines(_desk.Path("calls")) : [];

    /// <summary>How often something was called since the last look.</summary>
    string[] CallsSince(Func<Task<Ran>> run)
    {
        File.Delete(_desk.Path("calls"));
        run().GetAwaiter().GetResult().ExitCode.ShouldBe(0);
        return Calls;
    }

    Task<Ran> RunAsync(params string[] args) => RunFromAsync(Path.Combine(_checkout, "flatrender"), args);

    async Task<Ran> RunFromAsync(string launcher, params string[] args)
    {
        var info = new ProcessStartInfo(launcher) { WorkingDirectory = "/", RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var arg in args)
            info.ArgumentList.Add(arg);
        info.Environment.Clear();
        info.Environment["PATH"] = _desk.Path("tools");
        info.Environment["CALLS"] = _desk.Path("calls");
        info.Environment["FLATRENDER_DATABASE"] = "Host=elsewhere";
        using var process = Process.Start(info)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return new(process.ExitCode, await output, await errors);
    }

    [Fact]
    public async Task It_builds_once_and_then_only_starts_the_program()
    {
        (await RunAsync("version")).Output.ShouldBe("[version]\n");
        Calls.ShouldContain("build");
        CallsSince(() => RunAsync("version")).Length.ShouldBe(1);
        File.SetLastWriteTimeUtc(Path.Combine(_checkout, "src/Services/Cli/Card.cs"), DateTime.UtcNow.AddSeconds(1));
        CallsSince(() => RunAsync("version")).ShouldContain("build");
        File.SetLastWriteTimeUtc(Path.Combine(_checkout, "src/Services/Cli/Card.cs"), DateTime.UtcNow.AddMinutes(-1));
        CallsSince(() => RunAsync("version")).Length.ShouldBe(1);
        File.Delete(Path.Combine(_checkout, "src/Services/Cli/Card.cs"));
        CallsSince(() => RunAsync("version")).ShouldContain("build");
    }

    [Fact]
    public async Task Arguments_arrive_as_they_were_given_from_any_folder_and_through_a_link()
    {
        File.CreateSymbolicLink(_desk.Path("a link"), Path.Combine(_checkout, "flatrender"));
        var ran = await RunFromAsync(_desk.Path("a link"), "jobs", "a  b.json", "--set", "x=*", "");
        ran.Output.ShouldBe("[jobs][a  b.json][--set][x=*][]\n", ran.Errors);
    }

    [Fact]
    public async Task Two_at_once_build_once()
    {
        await Task.WhenAll(RunAsync("version"), RunAsync("version"), RunAsync("version"));
        Calls.Count(c => c == "build").ShouldBe(1);
    }

    [Fact]
    public async Task Without_root_and_sudo_there_is_one_list_of_what_to_install()
    {
        foreach (var tool in new[] { "ffmpeg", "npm" })
            File.Delete(Tool(tool));
        Stub("node", "#!/bin/bash\necho v16.0.0");
        var ran = await RunAsync("render", "card.json");
        ran.ExitCode.ShouldBe(2);
        ran.Errors.ShouldStartWith("flatrender: please install: ffmpeg nodejs npm (");
        ran.Errors.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length.ShouldBe(1);
        Calls.ShouldBeEmpty();
    }

    [Fact]
    public async Task Without_dotnet_it_says_what_is_missing()
    {
        File.Delete(Tool("dotnet"));
        var ran = await RunAsync("help");
        (ran.ExitCode, ran.Errors).ShouldBe((2, "flatrender: please install the .NET SDK 10: there is no 'dotnet' here, and this script cannot install it\n"));
    }

    [Fact]
    public async Task A_build_that_fails_says_why_and_is_tried_again()
    {
        _desk.Write("check out/broken", "");
        var ran = await RunAsync("version");
        ran.ExitCode.ShouldBe(1);
        ran.Errors.ShouldContain("Card.cs(1,1): error CS1002");
        File.Delete(_desk.Path("check out/broken"));
        (await RunAsync("version")).Output.ShouldBe("[version]\n");
    }

    [Fact]
    public async Task Modules_are_installed_when_their_lock_is_newer()
    {
        var lockFile = _desk.Write("check out/src/Services/Render/prepare/package-lock.json", "{}");
        File.SetLastWriteTimeUtc(lockFile, DateTime.UtcNow.AddMinutes(-1));
        (await RunAsync("render")).ExitCode.ShouldBe(0);
        Calls.Count(c => c == "npm ci").ShouldBe(1);
        CallsSince(() => RunAsync("render")).ShouldNotContain("npm ci");
        File.SetLastWriteTimeUtc(lockFile, DateTime.UtcNow.AddSeconds(5));
        CallsSince(() => RunAsync("render")).ShouldContain("npm ci");
    }
}
