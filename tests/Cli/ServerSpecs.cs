using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using FlatRender.Contracts;

namespace FlatRender.Cli.Tests;

/// <summary>The servers that the command line starts: a real PostgreSQL, and stand-ins that are started as the host and the node agent are.</summary>
public sealed class ServerSpecs(ServerSpecs.Installation installed) : IClassFixture<ServerSpecs.Installation>, IAsyncLifetime
{
    /// <summary>Programs and a home for all of these: a database is made once.</summary>
    public sealed class Installation : IDisposable
    {
        readonly Desk _desk = new();

        public Installation()
        {
            var built = Path.GetDirectoryName(typeof(StandIn.StandInHost).Assembly.Location)!;
            foreach (var (service, name) in new[] { ("Host", "FlatRender.Host"), ("NodeAgent", "FlatRender.NodeAgent") })
            {
                var folder = Directory.CreateDirectory(_desk.Path($"src/Services/{service}/bin/Release/net10.0")).FullName;
                foreach (var file in Directory.GetFiles(built, "FlatRender.*"))
                    File.Copy(file, Path.Combine(folder, Path.GetFileName(file).Replace("FlatRender.StandIn.", name + ".", StringComparison.Ordinal)));
                // The program keeps its own name inside.
                File.Copy(Path.Combine(built, "FlatRender.StandIn.dll"), Path.Combine(folder, "FlatRender.StandIn.dll"));
            }
        }

        public string Root => _desk.Folder;
        public Home Home => _desk.Home;

        public void Dispose() => _desk.Dispose();
    }

    readonly Desk _desk = new(installed.Home.Folder, installed.Root);
    Home Home => installed.Home;

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        await _desk.RunAsync(["down"]);
        _desk.Dispose();
    }

    /// <summary>Everything that was started with this desk's paths and still lives.</summary>
    string[] Running() =>
        [.. Directory.GetDirectories("/proc").Where(d => int.TryParse(Path.GetFileName(d), out var pid) && pid != Environment.ProcessId && ProcessMark.Of(pid) is not null && Words(d).Contains(installed.Root, StringComparison.Ordinal)).Select(Words)];

    static string Words(string process)
    {
        try
        {
            return File.ReadAllText(process + "/cmdline").Replace('\0', ' ');
        }
        catch (IOException)
        {
            return "";
        }
    }

    /// <summary>The command line as a process of its own, for what is done to processes.</summary>
    Process Start(params string[] args)
    {
        var info = new ProcessStartInfo("dotnet") { WorkingDirectory = _desk.Folder, RedirectStandardError = true, RedirectStandardOutput = true };
        foreach (var word in new[] { typeof(Commands).Assembly.Location }.Concat(args))
            info.ArgumentList.Add(word);
        info.Environment["FLATRENDER_ROOT"] = installed.Root;
        info.Environment["FLATRENDER_HOME"] = Home.Folder;
        return Process.Start(info)!;
    }

    Task RenderingAsync() => Wait.UntilAsync(() => RunNote.Read(Home) is { Node: not null } note && Jobs(note).Any(j => j.Step == Step.Rendering));

    IReadOnlyList<RenderView> Jobs(RunNote note)
    {
        using var api = new Api(note.Url, Secrets.Of(Home).ApiToken, TimeProvider.System);
        return api.RendersAsync(default).GetAwaiter().GetResult().Items;
    }

    /// <summary>A host that has just started may take longer for its first answer than `status` waits for it.</summary>
    Task GoodAsync() => Wait.UntilAsync(async () => await _desk.RunAsync(["status"]) == 0);

    [Fact]
    public async Task A_render_starts_what_it_needs_and_leaves_nothing_running()
    {
        (await _desk.RenderAsync("card.json", "--json")).ShouldBe(0, _desk.Notes);
        _desk.Json.GetProperty("timing").EnumerateObject().Select(t => t.Name).Take(3).ShouldBe(["postgres", "host", "node"]);
        Running().ShouldBeEmpty();
        RunNote.Read(Home).ShouldBeNull();
    }

    [Fact]
    public async Task Secrets_are_private_and_on_no_command_line()
    {
        (await _desk.RunAsync(["up", "--port", "0"])).ShouldBe(0, _desk.Notes);
        var secrets = Secrets.Of(Home);
        foreach (var secret in new[] { secrets.ApiToken, secrets.NodeToken, secrets.OrchestratorSecret, secrets.DatabasePassword })
            Running().ShouldAllBe(words => !words.Contains(secret, StringComparison.Ordinal));
        foreach (var file in new[] { "secrets.json", "run.json", "logs/host.log", "logs/postgres.log" })
            File.GetUnixFileMode(Path.Combine(Home.Folder, file)).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite, file);
    }

    [Fact]
    public async Task Up_again_changes_nothing_and_down_again_neither()
    {
        (await _desk.RunAsync(["up", "--port", "0"])).ShouldBe(0, _desk.Notes);
        var first = RunNote.Read(Home);
        (await _desk.RunAsync(["up"])).ShouldBe(0, _desk.Notes);
        RunNote.Read(Home).ShouldBe(first);
        await GoodAsync();
        (await _desk.RenderAsync("card.json")).ShouldBe(0, _desk.Notes);
        RunNote.Read(Home).ShouldBe(first);
        (await _desk.RunAsync(["down"])).ShouldBe(0);
        Running().ShouldBeEmpty();
        (await _desk.RunAsync(["down"])).ShouldBe(0);
        (await _desk.RunAsync(["status"])).ShouldBe(0);
        _desk.Output.ShouldEndWith("not up\n");
    }

    [Fact]
    public async Task Up_starts_again_what_was_killed()
    {
        (await _desk.RunAsync(["up", "--port", "0"])).ShouldBe(0, _desk.Notes);
        var before = RunNote.Read(Home)!;
        foreach (var part in new Func<RunNote, ProcessMark>[] { n => n.Node!, n => n.Host!, n => n.Postgres! })
        {
            await part(RunNote.Read(Home)!).StopAsync(Signals.Kill, TimeSpan.FromSeconds(5), TimeProvider.System);
            (await _desk.RunAsync(["status"])).ShouldBe(1);
            _desk.Output.ShouldContain("ENDED");
            (await _desk.RunAsync(["up"])).ShouldBe(0, _desk.Notes);
            await GoodAsync();
        }
        RunNote.Read(Home)!.Url.ShouldBe(before.Url);
    }

    [Fact]
    public async Task A_port_that_is_taken_is_told_and_nothing_stays_behind()
    {
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        var port = ((IPEndPoint)other.LocalEndpoint).Port;
        (await _desk.RunAsync(["up", "--port", $"{port}"])).ShouldBe(2);
        _desk.Notes.ShouldContain($"port {port} is in use by another program");
        Running().ShouldBeEmpty();
    }

    [Fact]
    public async Task Two_renders_at_once_share_the_servers_and_the_last_one_stops_them()
    {
        using var first = Start("render", "card.json", "--set", "wait=1", "-o", "one.mp4");
        await RenderingAsync();
        (await _desk.RenderAsync("card.json", "-o", "two.mp4")).ShouldBe(0, _desk.Notes);
        Running().ShouldNotBeEmpty();
        Process.Start("kill", ["-INT", $"{first.Id}"]).WaitForExit();
        await first.WaitForExitAsync();
        first.ExitCode.ShouldBe(130);
        (await first.StandardError.ReadToEndAsync()).ShouldContain("is cancelled");
        Running().ShouldBeEmpty();
    }

    [Fact]
    public async Task A_host_that_is_killed_ends_the_render_in_words_and_keeps_the_job()
    {
        using var render = Start("render", "card.json", "--set", "wait=1");
        await RenderingAsync();
        await RunNote.Read(Home)!.Host!.StopAsync(Signals.Kill, TimeSpan.FromSeconds(5), TimeProvider.System);
        await render.WaitForExitAsync();
        render.ExitCode.ShouldBe(1);
        (await render.StandardError.ReadToEndAsync()).ShouldContain("the host has ended");
        Running().ShouldBeEmpty();
    }

    [Fact]
    public async Task A_render_that_is_killed_leaves_nothing_running()
    {
        using var render = Start("render", "card.json", "--set", "wait=1");
        await RenderingAsync();
        render.Kill();
        await Wait.UntilAsync(() => Running().Length == 0);
        (await _desk.RenderAsync("card.json")).ShouldBe(0, _desk.Notes);
    }

    [Fact]
    public async Task A_database_that_lost_its_power_starts_again()
    {
        (await _desk.RenderAsync("card.json")).ShouldBe(0, _desk.Notes);
        // The note of a server that is gone, with the id of a process that lives: ours.
        var data = Directory.GetDirectories(Home.Folder, "postgres").Select(d => Path.Combine(d, "data")).Single();
        File.WriteAllText(Path.Combine(data, "postmaster.pid"), $"{Environment.ProcessId}\n{data}\n0\n5432\n\n127.0.0.1\n1 1\nready\n");
        (await _desk.RenderAsync("card.json")).ShouldBe(0, _desk.Notes);
    }
}
