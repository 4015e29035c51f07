namespace FlatRender.NodeAgent.Pixels;

/// <summary>Small pictures of frames: a box average down to a width, as JPEG.</summary>
public static class Picture
{
    public static byte[] JpegOfRgba(ReadOnlySpan<byte> rgba, int width, int height, int maxWidth, int quality)
    {
        var (w, h) = Fit(width, height, maxWidth);
        var rgb = new byte[w * h * 3];
        for (var y = 0; y < h; y++)
            for (var x = 0; x < w; x++)
            {
                int x0 = (int)((long)x * width / w), x1 = Math.Max(x0 + 1, (int)((long)(x + 1) * width / w));
                int y0 = (int)((long)y * height / h), y1 = Math.Max(y0 + 1, (int)((long)(y + 1) * height / h));
                int r = 0, g = 0, b = 0, n = (x1 - x0) * (y1 - y0);
                for (var row = y0; row < y1; row++)
                    for (var at = (row * width + x0) * 4; at < (row * width + x1) * 4; at += 4)
                    {
                        r += rgba[at];
                        g += rgba[at + 1];
                        b += rgba[at + 2];
                    }
                var to = (y * w + x) * 3;
                (rgb[to], rgb[to + 1], rgb[to + 2]) = ((byte)(r / n), (byte)(g / n), (byte)(b / n));
            }
        return Jpeg.Encode(rgb, w, h, quality);
    }

    /// <summary>Of a decoded frame: BT.709 limited range back to RGB first.</summary>
    public static byte[] JpegOfI420(ReadOnlySpan<byte> i420, int width, int height, int maxWidth, int quality)
    {
        var rgba = new byte[width * height * 4];
        var u = i420[(width * height)..];
        var v = i420[(width * height * 5 / 4)..];
        for (var y = 0; y < height; y++)
            for (var x = 0; x < width; x++)
            {
                var chroma = y / 2 * (width / 2) + x / 2;
                float l = 1.16438f * (i420[y * width + x] - 16), cb = u[chroma] - 128, cr = v[chroma] - 128;
                var to = (y * width + x) * 4;
                rgba[to] = Byte(l + 1.79274f * cr);
                rgba[to + 1] = Byte(l - 0.21325f * cb - 0.53291f * cr);
                rgba[to + 2] = Byte(l + 2.11240f * cb);
                rgba[to + 3] = 255;
            }
        return JpegOfRgba(rgba, width, height, maxWidth, quality);
    }

    static byte Byte(float value) => (byte)Math.Clamp(value + 0.5f, 0, 255);

    static (int Width, int Height) Fit(int width, int height, int maxWidth)
    {
        var w = Math.Min(width, maxWidth);
        return (w, Math.Max(1, (int)Math.Round((double)height * w / width)));
    }
}
