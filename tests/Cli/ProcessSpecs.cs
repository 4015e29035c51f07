using System.Diagnostics;

namespace FlatRender.Cli.Tests;

/// <summary>How processes are ended.</summary>
public sealed class ProcessSpecs
{
    [Fact]
    public async Task What_is_ended_by_force_has_ended_when_the_stop_returns()
    {
        // Frozen, they answer nothing but force.
        for (var i = 0; i < 10; i++)
        {
            using var sleeper = Process.Start("sleep", ["600"]);
            var mark = ProcessMark.Of(sleeper.Id)!;
            using (var freeze = Process.Start("kill", ["-STOP", $"{sleeper.Id}"]))
                await freeze.WaitForExitAsync();
            await mark.StopAsync(Signals.Terminate, TimeSpan.Zero, TimeProvider.System);
            mark.IsAlive.ShouldBeFalse();
        }
    }
}
