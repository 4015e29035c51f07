namespace FlatRender.SystemTests;

/// <summary>The same template and inputs are the same frames, whoever draws them and however often.</summary>
[Collection(VictimTests.Name)]
public sealed class SameFramesSpecs(Victim victim)
{
    static readonly string[] s_small = ["--size", "160x90", "--fps", "10"];

    [Fact]
    public async Task Twice_and_with_one_two_or_three_slots_the_frames_are_the_same()
    {
        var first = await victim.At.RenderAsync(Checkout.TitleCard, s_small);
        var again = await victim.At.RenderAsync(Checkout.TitleCard, s_small);
        // A home of its own, in which each render starts its servers and stops them.
        await using var other = new Installation();
        var alone = await other.RenderAsync(Checkout.TitleCard, [.. s_small, "--slots", "1"]);
        var three = await other.RenderAsync(Checkout.TitleCard, [.. s_small, "--slots", "3"]);

        var drawn = victim.At.Marks(first.JobId);
        drawn.Count.ShouldBe(55);
        drawn.Select(m => m.Crc32C).Distinct().Count().ShouldBeGreaterThan(40);
        victim.At.Marks(again.JobId).ShouldBe(drawn);
        other.Marks(alone.JobId).ShouldBe(drawn);
        other.Marks(three.JobId).ShouldBe(drawn);
        var film = await first.FrameHashesAsync();
        foreach (var same in new[] { again, alone, three })
            (await same.FrameHashesAsync()).ShouldBe(film);
        other.Processes().ShouldBeEmpty();
    }
}
