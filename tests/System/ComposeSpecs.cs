using System.Text.RegularExpressions;

namespace FlatRender.SystemTests;

/// <summary>The container files say what the programs understand, as far as a machine without containers can tell.</summary>
public sealed partial class ComposeSpecs
{
    static string Read(string name) => File.ReadAllText(Path.Combine(Checkout.Root, "compose", name));

    [Theory]
    [InlineData("all.yml")]
    [InlineData("apart.yml")]
    public async Task Each_server_is_started_with_roles_and_options_that_it_knows(string file)
    {
        var commands = ServeCommand().Matches(Read(file)).Select(m => QuotedWord().Matches(m.Value).Select(w => w.Groups[1].Value).ToArray()).DefaultIfEmpty(Dockerfile()).ToArray();
        foreach (var command in commands)
        {
            using var host = Running.Start("/", Bare, ["dotnet", Checkout.Host, .. command, "--broker", "amqp://broker:5672/", "--database", "Host=database"]);
            var said = await host.EndAsync();
            // It has understood its words: the secrets are what it misses.
            said.Notes.Trim().ShouldBe("FLATRENDER_API_TOKEN must be set, to at least 16 characters.", string.Join(' ', command));
        }
    }

    [Fact]
    public void Apart_every_role_is_open_somewhere()
    {
        var open = ServeCommand().Matches(Read("apart.yml")).Select(m => QuotedWord().Matches(m.Value).Select(w => w.Groups[1].Value).SkipWhile(w => w != "--roles").ElementAt(1)).ToArray();
        open.ShouldContain("all,-render,-pipeline,-file");
        open.SelectMany(o => o.Split(',')).ShouldBeSubsetOf(["all", "-render", "-pipeline", "-file", "render", "pipeline", "file"]);
        foreach (var role in (string[])["render", "pipeline", "file"])
            open.SelectMany(o => o.Split(',')).ShouldContain(role);
    }

    [Theory]
    [InlineData("all.yml")]
    [InlineData("apart.yml")]
    public void Images_are_pinned_variables_are_known_and_files_are_there(string file)
    {
        var text = Read(file);
        foreach (Match image in Image().Matches(text))
            image.Groups[1].Value.ShouldMatch(@"^\S+:v?\d+(\.\d+)*(-[a-z]+)?$");
        var known = Variable().Matches(string.Concat(Directory.GetFiles(Path.Combine(Checkout.Root, "src/Services/Host"), "*.cs", SearchOption.AllDirectories).Where(f => !f.Contains("/obj/", StringComparison.Ordinal)).Select(File.ReadAllText))).Select(m => m.Value).ToHashSet();
        // Passwords are the compose file's own, inside addresses.
        Variable().Matches(text).Select(m => m.Value).Except(["FLATRENDER_DATABASE_PASSWORD", "FLATRENDER_BROKER_PASSWORD"]).Where(v => !known.Contains(v)).ShouldBeEmpty();
        foreach (Match mount in Mount().Matches(text))
            File.Exists(Path.Combine(Checkout.Root, "compose", mount.Groups[1].Value)).ShouldBeTrue(mount.Groups[1].Value);
    }

    [Fact]
    public void The_image_runs_as_nobody_special_is_looked_after_and_copies_what_exists()
    {
        var text = Read("Dockerfile");
        text.ShouldMatch(@"(?m)^USER (?!root)\w+");
        text.ShouldContain("HEALTHCHECK");
        foreach (Match from in Regex.Matches(text, @"(?m)^FROM (\S+)"))
            from.Groups[1].Value.ShouldContain(":");
        foreach (Match copy in Regex.Matches(text, @"(?m)^COPY (src/\S+)"))
            Directory.Exists(Path.Combine(Checkout.Root, copy.Groups[1].Value)).ShouldBeTrue(copy.Value);
        foreach (Match publish in Regex.Matches(text, @"dotnet publish (\S+)"))
            Directory.GetFiles(Path.Combine(Checkout.Root, publish.Groups[1].Value), "*.csproj").Length.ShouldBe(1, publish.Value);
    }

    [Fact]
    public async Task The_image_s_steps_make_a_host_and_a_node_that_start()
    {
        var root = Directory.CreateTempSubdirectory("flatrender-image-").FullName;
        try
        {
            var ignored = File.ReadAllLines(Path.Combine(Checkout.Root, ".dockerignore")).Select(l => l.Replace("**/", "", StringComparison.Ordinal)).ToHashSet();
            Copy(Checkout.Root, Path.Combine(root, "source"), ignored);
            // Of the last stage, what installs packages for root is the distribution's; all others run as they stand, in the folders they name.
            foreach (Match step in Step().Matches(Read("Dockerfile")[..Read("Dockerfile").LastIndexOf("FROM ", StringComparison.Ordinal)]))
            {
                var words = step.Groups[2].Value.Replace("\\\n", " ", StringComparison.Ordinal).Replace("/out", Path.Combine(root, "out"), StringComparison.Ordinal);
                if (step.Groups[1].Value == "COPY")
                {
                    if (words.Split(' ') is [var from, var to] && from != ".") Copy(Path.Combine(Checkout.Root, from), to, ignored);
                    continue;
                }

                // Nothing that the build starts may outlive it.
                var alone = new Dictionary<string, string?>(Bare) { ["MSBUILDDISABLENODEREUSE"] = "1", ["UseSharedCompilation"] = "false", ["DOTNET_CLI_USE_MSBUILD_SERVER"] = "0" };
                using var run = Running.Start(Path.Combine(root, "source"), alone, "sh", "-ec", words);
                // Two programs are made from nothing, beside whatever else runs here.
                var said = await run.EndAsync(TimeSpan.FromMinutes(15));
                said.ExitCode.ShouldBe(0, $"{words}: {said}");
            }

            using var host = Running.Start("/", Bare, ["dotnet", Path.Combine(root, "out/host/FlatRender.Host.dll"), .. Dockerfile(), "--database", "Host=database"]);
            (await host.EndAsync()).Notes.ShouldContain("FLATRENDER_API_TOKEN must be set");
            using var node = Running.Start("/", Bare, "dotnet", Path.Combine(root, "out/node/FlatRender.NodeAgent.dll"));
            (await node.EndAsync()).Notes.ShouldContain("--orchestrator is missing");
            using var engine = Running.Start(Path.Combine(root, "out/node/skottie"), Bare, "node", "--input-type=module", "-e", "await import('@napi-rs/canvas')");
            (await engine.EndAsync()).ExitCode.ShouldBe(0, "the engine's modules are there");
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    static void Copy(string from, string to, HashSet<string> without)
    {
        Directory.CreateDirectory(to);
        foreach (var file in Directory.GetFiles(from)) File.Copy(file, Path.Combine(to, Path.GetFileName(file)), overwrite: true);
        foreach (var folder in Directory.GetDirectories(from))
            if (!without.Contains(Path.GetFileName(folder))) Copy(folder, Path.Combine(to, Path.GetFileName(folder)), without);
    }

    [GeneratedRegex(@"(?m)^(RUN|COPY) ((?:.*\\\n)*.*)$")]
    private static partial Regex Step();

    // No variable of whoever runs the tests may help.
    static readonly Dictionary<string, string?> Bare = new() { ["FLATRENDER_API_TOKEN"] = null, ["FLATRENDER_DATABASE"] = null, ["FLATRENDER_BROKER"] = null };

    static string[] Dockerfile() => [.. QuotedWord().Matches(Regex.Match(Read("Dockerfile"), @"(?m)^CMD (\[.*\])$").Groups[1].Value).Select(w => w.Groups[1].Value)];

    [GeneratedRegex(@"command: \[""serve"".*?\]")]
    private static partial Regex ServeCommand();

    [GeneratedRegex(@"""([^""]+)""")]
    private static partial Regex QuotedWord();

    [GeneratedRegex(@"(?m)^\s+image: (\S+)")]
    private static partial Regex Image();

    [GeneratedRegex(@"FLATRENDER_[A-Z_]+")]
    private static partial Regex Variable();

    [GeneratedRegex(@"\./([a-z_./]+):/")]
    private static partial Regex Mount();
}
