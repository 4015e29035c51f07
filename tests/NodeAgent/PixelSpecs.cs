using System.Text;
using FlatRender.NodeAgent.Pixels;
using Shouldly;
using Xunit;

namespace FlatRender.NodeAgent.Tests;

public sealed class PixelSpecs
{
    static byte[] Noise(int length, int seed)
    {
        var bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    [Theory]
    [InlineData("", 0x00000000u)]
    [InlineData("123456789", 0xE3069283u)]
    [InlineData("The quick brown fox jumps over the lazy dog", 0x22620404u)]
    public void The_checksum_is_that_of_Castagnoli(string text, uint expected) => Crc32C.Of(Encoding.ASCII.GetBytes(text)).ShouldBe(expected);

    [Fact]
    public void The_checksum_in_lanes_is_that_of_one_bit_after_another()
    {
        foreach (var length in new[] { 1, 7, 8, 9, 24 * 1024 - 1, 24 * 1024, 24 * 1024 + 1, 3 * 24 * 1024 + 12_345 })
        {
            var bytes = Noise(length, length);
            var crc = uint.MaxValue;
            foreach (var b in bytes)
            {
                crc ^= b;
                for (var i = 0; i < 8; i++) crc = (crc & 1) != 0 ? crc >> 1 ^ 0x82F63B78 : crc >> 1;
            }
            Crc32C.Of(bytes).ShouldBe(~crc, $"{length} bytes");
        }
    }

    [Fact]
    public void Vectors_convert_as_plain_numbers_do()
    {
        int[] widths = [.. Enumerable.Range(1, 70).Select(w => w * 2), 1280, 1918, 1920];
        foreach (var width in widths)
            foreach (var height in new[] { 2, 4, 6 })
            {
                var rgba = Noise(width * height * 4, width * 31 + height);
                byte[] fast = new byte[I420.Size(width, height)], narrow = new byte[fast.Length], plain = new byte[fast.Length];
                I420.FromRgba(rgba, width, height, fast);
                ByRows(rgba, width, height, narrow, (t, b, yt, yb, u, v) => I420.Rows(t, b, yt, yb, u, v, I420.Rows128(t, b, yt, yb, u, v)));
                ByRows(rgba, width, height, plain, (t, b, yt, yb, u, v) => I420.Rows(t, b, yt, yb, u, v, 0));
                fast.AsSpan().SequenceEqual(plain).ShouldBeTrue($"{width}x{height}");
                narrow.AsSpan().SequenceEqual(plain).ShouldBeTrue($"{width}x{height}, 128 bits");
            }
    }

    delegate void Pair(ReadOnlySpan<byte> top, ReadOnlySpan<byte> bottom, Span<byte> yTop, Span<byte> yBottom, Span<byte> u, Span<byte> v);

    static void ByRows(byte[] rgba, int width, int height, byte[] i420, Pair pair)
    {
        for (var row = 0; row < height; row += 2)
            pair(rgba.AsSpan(row * width * 4, width * 4), rgba.AsSpan((row + 1) * width * 4, width * 4), i420.AsSpan(row * width, width), i420.AsSpan((row + 1) * width, width),
                i420.AsSpan(width * height + row / 2 * (width / 2), width / 2), i420.AsSpan(width * height * 5 / 4 + row / 2 * (width / 2), width / 2));
    }

    [Theory]
    [InlineData(0, 0, 0, 16, 128, 128)]
    [InlineData(255, 255, 255, 235, 128, 128)]
    [InlineData(128, 128, 128, 126, 128, 128)]
    [InlineData(255, 0, 0, 63, 102, 240)]
    [InlineData(0, 255, 0, 173, 42, 26)]
    [InlineData(0, 0, 255, 32, 240, 118)]
    public void Colours_become_those_of_BT_709_limited(byte r, byte g, byte b, byte y, byte u, byte v)
    {
        byte[] rgba = [r, g, b, 255, r, g, b, 255, r, g, b, 255, r, g, b, 255];
        var i420 = new byte[6];
        I420.FromRgba(rgba, 2, 2, i420);
        i420.ShouldBe([y, y, y, y, u, v]);
    }

    [Theory]
    [InlineData(2, 2)]
    [InlineData(16, 16)]
    [InlineData(18, 34)]
    [InlineData(142, 112)]
    [InlineData(1080, 1920)]
    [InlineData(7680, 432)]
    public void A_signature_is_the_mean_of_each_cell(int width, int height)
    {
        var y = Noise(width * height, width);
        var signature = new byte[256];
        Luma.Signature(y, width, height, signature);
        for (var row = 0; row < 16; row++)
            for (var cell = 0; cell < 16; cell++)
            {
                int x0 = cell * width / 16, x1 = Math.Max(x0 + 1, (cell + 1) * width / 16), y0 = row * height / 16, y1 = Math.Max(y0 + 1, (row + 1) * height / 16);
                long sum = 0, n = (long)(x1 - x0) * (y1 - y0);
                for (var yy = y0; yy < y1; yy++)
                    for (var xx = x0; xx < x1; xx++) sum += y[yy * width + xx];
                signature[row * 16 + cell].ShouldBe((byte)((sum + n / 2) / n));
            }
    }

    [Fact]
    public void A_preview_is_a_picture_that_others_can_read()
    {
        const int width = 640, height = 360;
        var rgba = new byte[width * height * 4];
        for (int y = 0, i = 0; y < height; y++)
            for (var x = 0; x < width; x++, i += 4) (rgba[i], rgba[i + 1], rgba[i + 2], rgba[i + 3]) = ((byte)(x * 255 / width), (byte)(y * 255 / height), (byte)((x + y) * 255 / (width + height)), 255);
        var jpeg = Picture.JpegOfRgba(rgba, width, height, 320, 70);
        jpeg.Length.ShouldBeInRange(1000, 15_000);
        var path = Path.GetTempFileName();
        File.WriteAllBytes(path, jpeg);
        var rgb = Tools.DecodeRgb(path);
        File.Delete(path);
        rgb.Length.ShouldBe(320 * 180 * 3);
        for (var y = 4; y < 180; y += 16)
            for (var x = 4; x < 320; x += 16)
            {
                var at = (y * 320 + x) * 3;
                ((int)rgb[at]).ShouldBeInRange(x * 255 / 320 - 8, x * 255 / 320 + 8);
                ((int)rgb[at + 1]).ShouldBeInRange(y * 255 / 180 - 8, y * 255 / 180 + 8);
            }
    }
}
