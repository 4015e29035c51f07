namespace FlatRender.NodeAgent.Pixels;

/// <summary>How far a decoded picture's signature may lie from the drawn one's.</summary>
/// <param name="Cell">The largest difference of one cell that encoding explains.</param>
/// <param name="Mean">The largest mean difference of all cells: a film that is a little too bright everywhere is not the drawn one either.</param>
readonly record struct Tolerance(int Cell, double Mean)
{
    /// <summary>By the shorter side of a cell: noise averages out in large cells, single pixels keep theirs. About twice the worst of 3,000 frames measured (eight films, a moving gradient, pure noise, 2x2 to 1080p): cell 9, 7, 7, 4, 2, mean 3.3, 0.7, 0.5, 0.6, 0.4.</summary>
    public static Tolerance Of(int width, int height) => (Math.Min(width, height) / Luma.Cells) switch
    {
        >= 16 => new(4, 1.4),
        >= 8 => new(7, 2),
        >= 4 => new(14, 3),
        >= 2 => new(16, 4),
        _ => new(18, 8),
    };

    public bool Covers(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b)
    {
        int worst = 0, sum = 0;
        for (var i = 0; i < a.Length; i++)
        {
            var distance = Math.Abs(a[i] - b[i]);
            worst = Math.Max(worst, distance);
            sum += distance;
        }
        return worst <= Cell && sum <= Mean * a.Length;
    }
}
