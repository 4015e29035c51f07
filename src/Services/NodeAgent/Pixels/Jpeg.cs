namespace FlatRender.NodeAgent.Pixels;

/// <summary>A baseline JPEG (4:4:4) of a small picture, for previews and thumbnails: starting a process for each would cost more than drawing the frame.</summary>
public static class Jpeg
{
    static readonly byte[] Zigzag =
    [
        0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
        35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
    ];

    // The example tables of the JPEG standard (ITU-T T.81, annex K), row by row.
    static readonly byte[] LumaQuant =
    [
        16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
        18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
    ];
    static readonly byte[] ChromaQuant =
    [
        17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99,
        99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
    ];

    static readonly float[] Cosines = [.. from u in Enumerable.Range(0, 8) from x in Enumerable.Range(0, 8) select (float)(Math.Cos((2 * x + 1) * u * Math.PI / 16) * (u == 0 ? Math.Sqrt(0.125) : 0.5))];

    /// <param name="rgb">Three bytes a pixel.</param>
    /// <param name="quality">1 to 100.</param>
    public static byte[] Encode(ReadOnlySpan<byte> rgb, int width, int height, int quality)
    {
        var luma = Scaled(LumaQuant, quality);
        var chroma = Scaled(ChromaQuant, quality);
        using var file = new MemoryStream(width * height / 4 + 1024);
        JpegHuffman.Headers(file, width, height, luma, chroma, Zigzag);
        var bits = new JpegHuffman(file);
        Span<float> block = stackalloc float[64];
        Span<int> last = [0, 0, 0];
        for (var y = 0; y < height; y += 8)
            for (var x = 0; x < width; x += 8)
                for (var part = 0; part < 3; part++)
                {
                    Sample(rgb, width, height, x, y, part, block);
                    Transform(block);
                    last[part] = bits.Block(block, part == 0 ? luma : chroma, Zigzag, last[part], part == 0);
                }
        bits.End();
        return file.ToArray();
    }

    static byte[] Scaled(byte[] table, int quality)
    {
        var scale = quality < 50 ? 5000 / quality : 200 - quality * 2;
        return [.. table.Select(q => (byte)Math.Clamp((q * scale + 50) / 100, 1, 255))];
    }

    static void Sample(ReadOnlySpan<byte> rgb, int width, int height, int left, int top, int part, Span<float> block)
    {
        for (var y = 0; y < 8; y++)
            for (var x = 0; x < 8; x++)
            {
                var at = (Math.Min(top + y, height - 1) * width + Math.Min(left + x, width - 1)) * 3;
                float r = rgb[at], g = rgb[at + 1], b = rgb[at + 2];
                block[y * 8 + x] = part switch
                {
                    0 => 0.299f * r + 0.587f * g + 0.114f * b - 128,
                    1 => -0.168736f * r - 0.331264f * g + 0.5f * b,
                    _ => 0.5f * r - 0.418688f * g - 0.081312f * b,
                };
            }
    }

    static void Transform(Span<float> block)
    {
        Span<float> rows = stackalloc float[64];
        for (var y = 0; y < 8; y++)
            for (var u = 0; u < 8; u++)
            {
                var sum = 0f;
                for (var x = 0; x < 8; x++) sum += block[y * 8 + x] * Cosines[u * 8 + x];
                rows[y * 8 + u] = sum;
            }
        for (var v = 0; v < 8; v++)
            for (var u = 0; u < 8; u++)
            {
                var sum = 0f;
                for (var y = 0; y < 8; y++) sum += rows[y * 8 + u] * Cosines[v * 8 + y];
                block[v * 8 + u] = sum;
            }
    }
}
