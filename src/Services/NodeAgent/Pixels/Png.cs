using System.Buffers.Binary;
using System.Globalization;
using System.IO.Compression;

namespace FlatRender.NodeAgent.Pixels;

/// <summary>Reads PNG files strictly: any part that is missing, cut or damaged makes it a bad picture. Lenient readers show what is there and call it a success.</summary>
static class Png
{
    static ReadOnlySpan<byte> Mark => [0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A];
    static readonly uint[] s_crc = [.. Enumerable.Range(0, 256).Select(n => Enumerable.Range(0, 8).Aggregate((uint)n, (c, _) => (c & 1) != 0 ? 0xEDB88320 ^ c >> 1 : c >> 1))];

    /// <summary>The picture as opaque RGBA, over a background where it is transparent.</summary>
    /// <exception cref="BadPicture">With what is wrong, as the end of a sentence about the frame.</exception>
    public static byte[] Read(ReadOnlySpan<byte> file, int width, int height, string background)
    {
        if (file.Length == 0) throw new BadPicture("is empty");
        if (file.Length < 8 || !file[..8].SequenceEqual(Mark)) throw new BadPicture("is no PNG file");
        ReadOnlySpan<byte> head = default, palette = default, transparency = default;
        using var packed = new MemoryStream();
        var ended = false;
        for (var at = 8; at < file.Length;)
        {
            if (ended) throw new BadPicture("goes on after its end");
            if (file.Length - at < 12 || BinaryPrimitives.ReadUInt32BigEndian(file[at..]) is var length && length > file.Length - at - 12) throw new BadPicture("is half written");
            var body = file.Slice(at + 8, (int)length);
            if (Crc(file.Slice(at + 4, (int)length + 4)) != BinaryPrimitives.ReadUInt32BigEndian(file[(at + 8 + (int)length)..])) throw new BadPicture("is damaged: a checksum does not fit");
            switch (System.Text.Encoding.ASCII.GetString(file.Slice(at + 4, 4)))
            {
                case "IHDR": head = body; break;
                case "PLTE": palette = body; break;
                case "tRNS": transparency = body; break;
                case "IDAT": packed.Write(body); break;
                case "IEND": ended = true; break;
            }
            at += 12 + (int)length;
        }
        if (!ended) throw new BadPicture("is half written");
        if (head.Length != 13) throw new BadPicture("has no head");
        var (w, h) = (BinaryPrimitives.ReadUInt32BigEndian(head), BinaryPrimitives.ReadUInt32BigEndian(head[4..]));
        if (w != width || h != height) throw new BadPicture(string.Create(CultureInfo.InvariantCulture, $"has {w}x{h} pixels, not {width}x{height}"));
        var (depth, kind) = (head[8], head[9]);
        var channels = (kind, depth) switch { (0, 8 or 16) => 1, (2, 8 or 16) => 3, (3, 8) => 1, (4, 8 or 16) => 2, (6, 8 or 16) => 4, _ => throw new BadPicture($"has {depth} bits of colour type {kind}, which is not read here") };
        if (head[12] != 0) throw new BadPicture("is interlaced, which is not read here");
        var rows = Unfilter(packed, width * channels * depth / 8, height, channels * depth / 8);
        return Colours(rows, new(width, height, channels, depth / 8, kind), palette, transparency, background);
    }

    static byte[] Unfilter(MemoryStream packed, int line, int height, int pixel)
    {
        var rows = new byte[line * height];
        packed.Position = 0;
        try
        {
            using var lines = new ZLibStream(packed, CompressionMode.Decompress);
            byte[] above = new byte[line], filter = new byte[1];
            for (var y = 0; y < height; y++)
            {
                lines.ReadExactly(filter);
                var row = rows.AsSpan(y * line, line);
                lines.ReadExactly(row);
                if (filter[0] > 4) throw new BadPicture("is damaged: an unknown filter");
                for (var x = 0; x < line; x++)
                {
                    int left = x >= pixel ? row[x - pixel] : 0, up = above[x], corner = x >= pixel ? above[x - pixel] : 0;
                    row[x] += (byte)(filter[0] switch { 1 => left, 2 => up, 3 => (left + up) / 2, 4 => Paeth(left, up, corner), _ => 0 });
                }
                row.CopyTo(above);
            }
            return rows;
        }
        catch (Exception e) when (e is EndOfStreamException or InvalidDataException)
        {
            throw new BadPicture("is damaged: its pixels cannot be unpacked");
        }
    }

    static int Paeth(int left, int up, int corner)
    {
        int p = left + up - corner, a = Math.Abs(p - left), b = Math.Abs(p - up), c = Math.Abs(p - corner);
        return a <= b && a <= c ? left : b <= c ? up : corner;
    }

    readonly record struct Form(int Width, int Height, int Channels, int Bytes, int Kind);

    static byte[] Colours(byte[] rows, Form form, ReadOnlySpan<byte> palette, ReadOnlySpan<byte> transparency, string background)
    {
        var under = Convert.FromHexString(background.AsSpan(1));
        var rgba = new byte[form.Width * form.Height * 4];
        for (int i = 0, at = 0; i < rgba.Length; i += 4, at += form.Channels * form.Bytes)
        {
            // Of 16 bits the upper 8 are taken: networks of bytes come first.
            int One(int channel) => rows[at + channel * form.Bytes];
            var entry = form.Kind == 3 ? One(0) : 0;
            if (form.Kind == 3 && entry * 3 + 2 >= palette.Length) throw new BadPicture("is damaged: a colour is not in its palette");
            var (r, g, b) = form.Kind switch { 3 => (palette[entry * 3], palette[entry * 3 + 1], palette[entry * 3 + 2]), 2 or 6 => (One(0), One(1), One(2)), _ => (One(0), One(0), One(0)) };
            var alpha = form.Kind switch { 3 => entry < transparency.Length ? transparency[entry] : 255, 4 => One(1), 6 => One(3), _ => 255 };
            (rgba[i], rgba[i + 1], rgba[i + 2], rgba[i + 3]) = (Over(r, under[0], alpha), Over(g, under[1], alpha), Over(b, under[2], alpha), 255);
        }
        return rgba;
    }

    static byte Over(int colour, int under, int alpha) => (byte)((colour * alpha + under * (255 - alpha) + 127) / 255);

    static uint Crc(ReadOnlySpan<byte> bytes)
    {
        var crc = uint.MaxValue;
        foreach (var value in bytes) crc = s_crc[(crc ^ value) & 0xFF] ^ crc >> 8;
        return ~crc;
    }
}

/// <summary>A picture file that is not what it should be; the message ends a sentence about it.</summary>
sealed class BadPicture(string what) : Exception(what);
