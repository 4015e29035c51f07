using FlatRender.Bench;

namespace FlatRender.SystemTests;

/// <summary>The fault campaign (`flatrender bench faults`), small: engines that crash, hang, hoard and draw wrong pictures, files that are cut, flipped and lost, results that come late.</summary>
public sealed class FaultSpecs(Xunit.Abstractions.ITestOutputHelper output)
{
    [Fact]
    public async Task Whatever_goes_wrong_the_films_that_are_delivered_are_the_clean_ones()
    {
        var campaign = await FaultsBench.CampaignAsync(films: 4, seed: 7, nodes: 2, atOnce: 4, output.WriteLine, CancellationToken.None);

        campaign.ShouldSatisfyAllConditions(
            c => c.Delivered.ShouldBe(4),
            c => c.DeliveredBroken.ShouldBe(0),
            c => c.Missed.ShouldBe(0),
            c => c.FalseAlarms.ShouldBe(0),
            c => c.Found.ShouldBeGreaterThan(30),
            c => c.Injected.ShouldBeGreaterThan(40),
            c => c.LateRefused.ShouldBeGreaterThanOrEqualTo(0),
            c => c.Notes.ShouldBeEmpty());
    }
}
