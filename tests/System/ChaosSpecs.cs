using FlatRender.Bench;
using FlatRender.Cli;

namespace FlatRender.SystemTests;

/// <summary>The chaos campaign (<c>flatrender bench chaos</c>), in small.</summary>
public sealed class ChaosSpecs(Xunit.Abstractions.ITestOutputHelper output)
{
    [Fact]
    public async Task Whatever_is_struck_every_render_ends_well_is_paid_once_and_is_heard_of_by_everybody()
    {
        await using var yard = await ChaosYard.OpenAsync(new ClusterPlan(Agents: 2), CancellationToken.None);
        var plan = new ChaosPlan(Seed: 11, Jobs: 6, CancelEvery: 6, Blows: 3) { Only = [new("leader", "kill"), new("database", "crash"), new("reader", "cut")], Frames = 60 };

        var came = await new ChaosCampaign(plan, yard, output.WriteLine).RunAsync(CancellationToken.None);

        came.Wrong.ShouldBeEmpty();
        (came.Done + came.Cancelled).ShouldBe(6);
        came.Blows.ShouldBeGreaterThan(0);
        came.Facts.ShouldBeGreaterThan(0);
    }
}
