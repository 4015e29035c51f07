using FlatRender.Bench;

namespace FlatRender.SystemTests;

/// <summary>The kill campaign (<c>flatrender bench kills</c>), in small: the next blow falls when the farm has got on since the last one, however slow the machine.</summary>
public sealed class KillSpecs
{
    [Fact]
    public async Task Whatever_is_killed_every_render_ends_well_no_frame_is_written_by_two_and_every_wait_has_a_reason()
    {
        await using var yard = new KillYard(Environment.GetEnvironmentVariable("FLATRENDER_TEST_DATABASE")!);
        await yard.OpenAsync(agents: 2);
        var plan = new KillPlan(Seed: 3, Jobs: 6, AtOnce: 3, Agents: 2, Between: default, Apart: 3, Cancels: 0) { Patience = TimeSpan.FromMinutes(15), Blows = ["engine", "agent", "host", "engine"] };

        var came = await new KillCampaign(plan, yard).RunAsync();

        came.Stuck.ShouldBeEmpty(yard.Log("host"));
        (came.Done + came.Failed, came.Unjustified, came.DifferentFilms).ShouldBe((6, 0, 0));
        came.Kills.Values.Sum().ShouldBeGreaterThan(0);
        came.WrittenTwice.ShouldBeEmpty();
        came.Unexplained.ShouldBeEmpty();
        came.Samples.ShouldBeGreaterThan(0);
    }
}
