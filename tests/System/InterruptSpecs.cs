using FlatRender.Cli;
using FlatRender.Contracts;

namespace FlatRender.SystemTests;

/// <summary>Ctrl-C at the terminal.</summary>
[Collection(VictimTests.Name)]
public sealed class InterruptSpecs
{
    [Fact]
    public async Task Ctrl_C_cancels_the_render_and_leaves_nothing()
    {
        await using var at = new Installation();
        // Longer than anybody waits: it is not to be over before it is interrupted.
        var template = at.Write("long.json", SmallLottie.Of(to: "6000"));
        using var command = at.Start(["render", template, "-o", "film.mp4", "--slots", "1"]);
        JobId job = default;
        await Wait.UntilAsync("the render is in its middle", async () =>
        {
            command.HasEnded.ShouldBeFalse("the render was over before it could be interrupted");
            if (RunNote.Read(at.Home) is not { Url.Length: > 0, Node: not null })
                return false;
            using var api = at.Api();
            if ((await api.RendersAsync(CancellationToken.None)).Items is not [{ Step: Step.Rendering, CurrentFrame: > 0 } view])
                return false;
            job = view.JobId;
            return true;
        });
        // Frozen, the engine cannot even end by itself.
        at.SignalEngines(Signal.Stop);
        at.Processes().Count.ShouldBeGreaterThan(4);

        Signal.Send(command.Pid, Signal.Interrupt);

        var said = await command.EndAsync();
        said.ExitCode.ShouldBe(130, $"{said}");
        said.Notes.ShouldContain($"{job} is cancelled");
        at.Processes().ShouldBeEmpty();
        Directory.GetFileSystemEntries(at.Desk).ShouldBe([template]);
        // The store still knows: asking starts what is needed to answer, and stops it again.
        var asked = await at.RunAsync("jobs", $"{job}");
        asked.ExitCode.ShouldBe(0, $"{asked}");
        asked.Output.ShouldContain("Cancelled");
        asked.Output.TrimEnd().Split('\n')[^1].ShouldContain("render.job.cancelled.v1  interrupted at the terminal");
        at.Processes().ShouldBeEmpty();
    }
}
