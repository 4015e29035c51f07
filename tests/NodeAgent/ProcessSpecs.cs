using System.Diagnostics;
using System.Net;
using FlatRender.Contracts;
using Shouldly;
using Xunit;

namespace FlatRender.NodeAgent.Tests;

/// <summary>The agent as its own process, as it is used.</summary>
public sealed class ProcessSpecs : IAsyncLifetime
{
    readonly string _home = Directory.CreateTempSubdirectory("flatrender-agent-").FullName;
    readonly FilmSpec _film = Farm.Film(320, 180, 300);
    readonly List<Process> _processes = [];
    Orchestrator _host = null!;

    public async Task InitializeAsync() => _host = await Orchestrator.Start();

    public async Task DisposeAsync()
    {
        foreach (var process in _processes)
        {
            if (!process.HasExited) process.Kill(entireProcessTree: true);
            process.Dispose();
        }
        await _host.DisposeAsync();
        Directory.Delete(_home, recursive: true);
    }

    Process Run(string? host = null, string? token = Orchestrator.Token, params string[] more)
    {
        string[] arguments = [Path.Combine(AppContext.BaseDirectory, "FlatRender.NodeAgent.dll"), "--orchestrator", host ?? _host.Url.ToString(), "--home", _home, "--slots", "2", "--engine", $"faulty={Path.Combine(AppContext.BaseDirectory, "engines", "faulty.mjs")}", .. more];
        var start = new ProcessStartInfo("dotnet", arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment[Settings.TokenVariable] = token;
        start.Environment[Settings.SecretVariable] = Orchestrator.Secret;
        var process = Process.Start(start)!;
        _processes.Add(process);
        return process;
    }

    /// <summary>An agent with an engine that hangs and one that draws slowly into an encoder.</summary>
    async Task<int[]> Busy(Process agent)
    {
        var node = (await _host.Registered()).Url;
        foreach (var fault in new[] { "hang", "slow" })
        {
            var task = new RenderTask(Farm.Lease(), 1, new(Guid.NewGuid()), _film, _host.Store(new { faults = new Dictionary<string, string> { [fault == "hang" ? "2" : "*"] = fault } }), 600, "faulty", 0, _film.Frames);
            (await _host.Assign(node, task)).ShouldBe(HttpStatusCode.Accepted);
            await LifeSpecs.Until(() => _host.Progress.Any(p => p.LeaseId == task.LeaseId && p.Done >= 1));
        }
        var children = Children.All(agent.Id);
        children.Length.ShouldBe(4);
        return children;
    }

    [Fact]
    public async Task No_child_outlives_a_killed_agent()
    {
        var agent = Run();
        var children = await Busy(agent);
        agent.Kill();
        await LifeSpecs.Until(() => !children.Any(Alive));
    }

    [Fact]
    public async Task An_engine_holds_the_memory_of_its_own_frames_only()
    {
        var children = await Busy(Run());
        static int Rooms(int child) => Directory.GetFiles($"/proc/{child}/fd").Count(f => new FileInfo(f).LinkTarget?.Contains("memfd:frames", StringComparison.Ordinal) == true);
        // Two engines, each with its encoder.
        children.Select(Rooms).Order().ShouldBe([0, 0, 1, 1]);
    }

    [Fact]
    public async Task A_terminated_agent_takes_its_children_along_and_says_goodbye()
    {
        var agent = Run();
        var children = await Busy(agent);
        using var kill = Process.Start("kill", ["-TERM", agent.Id.ToString()]);
        await agent.WaitForExitAsync().WaitAsync(TestTime.Patience);
        agent.ExitCode.ShouldBe(0);
        children.Any(Alive).ShouldBeFalse();
        await _host.Left.Task.WaitAsync(TestTime.Patience);
        Directory.Exists(Path.Combine(_home, "scratch")).ShouldBeFalse();
    }

    [Fact]
    public async Task An_embedded_agent_goes_with_its_parent()
    {
        using var parent = Process.Start("sleep", ["600"]);
        var agent = Run(more: ["--parent-pid", parent.Id.ToString()]);
        await _host.Registered();
        parent.Kill();
        await agent.WaitForExitAsync().WaitAsync(TestTime.Patience);
        agent.ExitCode.ShouldBe(0);
    }

    [Fact]
    public async Task A_node_joins_when_its_host_comes_and_is_itself_again_after_a_restart()
    {
        _host.RegistrationAnswers.Enqueue(HttpStatusCode.ServiceUnavailable);
        _host.RegistrationAnswers.Enqueue(HttpStatusCode.BadGateway);
        var agent = Run();
        var first = await _host.Registered();
        agent.Kill();
        await agent.WaitForExitAsync();
        Run();
        (await _host.Registered()).NodeId.ShouldBe(first.NodeId);
    }

    [Fact]
    public async Task Bad_arguments_are_told_all_at_once()
    {
        var agent = Run("nowhere", token: null, "--slots", "0", "--colour", "red");
        await agent.WaitForExitAsync().WaitAsync(TestTime.Patience);
        agent.ExitCode.ShouldBe(2);
        var said = await agent.StandardError.ReadToEndAsync();
        foreach (var word in new[] { "'nowhere'", "--slots", "--colour", Settings.TokenVariable }) said.ShouldContain(word);
    }

    static bool Alive(int pid)
    {
        try
        {
            return !File.ReadAllText($"/proc/{pid}/stat").Contains(") Z ");
        }
        catch (IOException)
        {
            return false;
        }
    }
}
