using FlatRender.Render;

namespace FlatRender.Services.Tests;

public sealed class ChunkPlanSpecs
{
    [Fact]
    public void Any_film_is_cut_without_a_gap_an_overlap_or_a_chunk_over_fifty_frames()
    {
        foreach (var frames in Enumerable.Range(1, 1200).Concat([9_999, 10_000, 216_000]))
        {
            var next = 0;
            foreach (var (first, count) in ChunkPlan.Of(frames))
            {
                first.ShouldBe(next);
                count.ShouldBeInRange(1, 50);
                next = first + count;
            }

            next.ShouldBe(frames);
        }
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(24, 2)]
    [InlineData(165, 6)]
    [InlineData(300, 6)]
    [InlineData(10_000, 200)]
    public void Short_films_are_cut_finer_so_that_slots_can_share_them(int frames, int chunks) => ChunkPlan.Of(frames).Count().ShouldBe(chunks);
}
