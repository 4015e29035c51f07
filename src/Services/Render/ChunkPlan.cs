namespace FlatRender.Render;

/// <summary>How a film is cut into chunks, each one closed group of pictures.</summary>
public static class ChunkPlan
{
    const int Shortest = 12, Longest = 50, Pieces = 6;

    /// <summary>
    /// The cut depends on the film alone, never on who is free: the same film is the same bytes on any number of nodes.
    /// About 50 frames a chunk (a shorter one costs size: a key frame each); a short film is cut finer so that several slots can share it.
    /// </summary>
    public static IEnumerable<(int First, int Count)> Of(int frames)
    {
        var length = Math.Clamp((frames + Pieces - 1) / Pieces, Shortest, Longest);
        var chunks = (frames + length - 1) / length;
        // Even lengths, so that no slot is left with a sliver at the end.
        for (var i = 0; i < chunks; i++)
        {
            var first = (int)((long)frames * i / chunks);
            yield return (first, (int)((long)frames * (i + 1) / chunks) - first);
        }
    }
}
