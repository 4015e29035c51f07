using System.Net;
using FlatRender.Contracts;

namespace FlatRender.SystemTests;

/// <summary>Two versions of the server on one broker and one database, as in every rolling update; the later one says a member more in a fact.</summary>
[Collection(ClusterTests.Name)]
public sealed class SideBySideSpecs(Clustered cluster) : IAsyncLifetime
{
    public Task InitializeAsync() => cluster.UpAsync();

    public Task DisposeAsync() => Task.CompletedTask;

    [Fact]
    public async Task A_render_begun_under_either_version_is_finished_under_the_other_and_both_find_all_history_sound()
    {
        using var next = await NextVersion.BuildAsync();
        var starts = new[] { "render-1", "render-2" }.ToDictionary(name => name, name => Start.Of(cluster.Note[name].Process!.Pid));
        await EndAsync(cluster.Note["render-1"].Process!.Pid, "render-1");

        // The later one comes; the present one goes.
        using var later = await BeginAsync("render-1", starts, next.Host);
        await EndAsync(cluster.Note["render-2"].Process!.Pid, "render-2");
        using var begunLater = await cluster.FrozenAsync("later.mp4", "--size", "160x90", "--fps", "30");

        using var present = await BeginAsync("render-2", starts, Checkout.Host);
        await EndAsync(later.Pid, "render-1");
        cluster.At.SignalEngines(Signal.Continue);
        (await begunLater.Command.EndAsync()).ExitCode.ShouldBe(0, "begun under the later version, finished under the present one");

        using var begunNow = await cluster.FrozenAsync("present.mp4", "--size", "160x90", "--fps", "30");
        using var again = await BeginAsync("render-1", starts, next.Host);
        await EndAsync(present.Pid, "render-2");
        cluster.At.SignalEngines(Signal.Continue);
        (await begunNow.Command.EndAsync()).ExitCode.ShouldBe(0, "begun under the present version, finished under the later one");

        (await ExportAsync(begunLater.Job)).ShouldContain(NextVersion.Trace);
        (await ExportAsync(begunNow.Job)).ShouldNotContain(NextVersion.Trace);
        foreach (var program in new[] { Checkout.Host, next.Host })
        {
            using var audit = Running.Start("/", starts["render-1"].Variables, ["dotnet", program, "audit", "verify"]);
            var said = await audit.EndAsync();
            said.ExitCode.ShouldBe(0, $"{program}: {said}");
        }
        await EndAsync(again.Pid, "render-1");
    }

    async Task<string> ExportAsync(JobId job)
    {
        var said = await cluster.At.RunAsync("cluster", "audit", "export", $"{job}");
        said.ExitCode.ShouldBe(0, $"{said}");
        said.Output.ShouldContain("render.job.done.v1");
        return said.Output.Replace(" ", "", StringComparison.Ordinal);
    }

    /// <summary>Starts a version in the place of a part that has ended, and waits until it is ready.</summary>
    async Task<Running> BeginAsync(string part, IReadOnlyDictionary<string, Start> starts, string program)
    {
        var running = starts[part].Again(program);
        await Wait.UntilAsync($"{part} is ready", async () =>
        {
            running.HasEnded.ShouldBeFalse($"{program} has ended");
            return await cluster.ReadyAsync(part) == HttpStatusCode.OK;
        });
        return running;
    }

    static async Task EndAsync(int pid, string part)
    {
        Signal.Send(pid, 15);
        await Wait.UntilAsync($"{part} has ended", () => FlatRender.Cli.ProcessMark.Of(pid) is null);
    }
}
