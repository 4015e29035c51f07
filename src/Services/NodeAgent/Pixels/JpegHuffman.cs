using System.Numerics;

namespace FlatRender.NodeAgent.Pixels;

/// <summary>The entropy coder and headers of a baseline JPEG, with the standard's example code tables (ITU-T T.81, annex K.3).</summary>
sealed class JpegHuffman(MemoryStream file)
{
    static readonly (byte[] Counts, byte[] Symbols) LumaDc = ([0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    static readonly (byte[] Counts, byte[] Symbols) ChromaDc = ([0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    static readonly (byte[] Counts, byte[] Symbols) LumaAc = ([0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7d], Convert.FromHexString(
        "01020300041105122131410613516107227114328191A1082342B1C11552D1F02433627282090A161718191A25262728292A3435363738393A434445464748494A535455565758595A636465666768696A737475767778797A838485868788898A92939495969798999AA2A3A4A5A6A7A8A9AAB2B3B4B5B6B7B8B9BAC2C3C4C5C6C7C8C9CAD2D3D4D5D6D7D8D9DAE1E2E3E4E5E6E7E8E9EAF1F2F3F4F5F6F7F8F9FA"));
    static readonly (byte[] Counts, byte[] Symbols) ChromaAc = ([0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77], Convert.FromHexString(
        "000102031104052131061241510761711322328108144291A1B1C109233352F0156272D10A162434E125F11718191A262728292A35363738393A434445464748494A535455565758595A636465666768696A737475767778797A82838485868788898A92939495969798999AA2A3A4A5A6A7A8A9AAB2B3B4B5B6B7B8B9BAC2C3C4C5C6C7C8C9CAD2D3D4D5D6D7D8D9DAE2E3E4E5E6E7E8E9EAF2F3F4F5F6F7F8F9FA"));

    static readonly (ushort Code, byte Bits)[] LumaDcCodes = Codes(LumaDc), ChromaDcCodes = Codes(ChromaDc), LumaAcCodes = Codes(LumaAc), ChromaAcCodes = Codes(ChromaAc);

    uint _pending;
    int _held;

    /// <summary>Writes one transformed block and returns its rounded first coefficient, from which the next one's is told.</summary>
    public int Block(ReadOnlySpan<float> block, byte[] quant, byte[] zigzag, int last, bool luma)
    {
        var dcCodes = luma ? LumaDcCodes : ChromaDcCodes;
        var acCodes = luma ? LumaAcCodes : ChromaAcCodes;
        var dc = (int)MathF.Round(block[0] / quant[0]);
        Number(dcCodes, 0, dc - last);
        var zeros = 0;
        for (var i = 1; i < 64; i++)
        {
            var value = (int)MathF.Round(block[zigzag[i]] / quant[zigzag[i]]);
            if (value == 0)
            {
                zeros++;
                continue;
            }
            for (; zeros >= 16; zeros -= 16) Put(acCodes[0xF0]);
            Number(acCodes, zeros, value);
            zeros = 0;
        }
        if (zeros > 0) Put(acCodes[0]);
        return dc;
    }

    public void End()
    {
        Put((0x7F, 7));
        file.Write([0xFF, 0xD9]);
    }

    void Number((ushort Code, byte Bits)[] codes, int zeros, int value)
    {
        var size = 32 - BitOperations.LeadingZeroCount((uint)Math.Abs(value));
        Put(codes[zeros << 4 | size]);
        if (size > 0) Put(((ushort)((value < 0 ? value - 1 : value) & (1 << size) - 1), (byte)size));
    }

    void Put((ushort Code, byte Bits) code)
    {
        _pending = _pending << code.Bits | code.Code;
        _held += code.Bits;
        while (_held >= 8)
        {
            var value = (byte)(_pending >> _held - 8);
            file.WriteByte(value);
            if (value == 0xFF) file.WriteByte(0);
            _held -= 8;
        }
    }

    static (ushort, byte)[] Codes((byte[] Counts, byte[] Symbols) table)
    {
        var codes = new (ushort, byte)[256];
        ushort code = 0;
        var symbol = 0;
        for (byte bits = 1; bits <= 16; bits++, code <<= 1)
            for (var i = 0; i < table.Counts[bits - 1]; i++) codes[table.Symbols[symbol++]] = (code++, bits);
        return codes;
    }

    public static void Headers(MemoryStream file, int width, int height, byte[] luma, byte[] chroma, byte[] zigzag)
    {
        file.Write([0xFF, 0xD8, 0xFF, 0xE0, 0, 16, (byte)'J', (byte)'F', (byte)'I', (byte)'F', 0, 1, 1, 0, 0, 1, 0, 1, 0, 0]);
        file.Write([0xFF, 0xDB, 0, 132, 0, .. zigzag.Select(i => luma[i]), 1, .. zigzag.Select(i => chroma[i])]);
        file.Write([0xFF, 0xC0, 0, 17, 8, (byte)(height >> 8), (byte)height, (byte)(width >> 8), (byte)width, 3, 1, 0x11, 0, 2, 0x11, 1, 3, 0x11, 1]);
        foreach (var (id, table) in new[] { (0x00, LumaDc), (0x10, LumaAc), (0x01, ChromaDc), (0x11, ChromaAc) })
            file.Write([0xFF, 0xC4, (byte)(19 + table.Symbols.Length >> 8), (byte)(19 + table.Symbols.Length), (byte)id, .. table.Counts, .. table.Symbols]);
        file.Write([0xFF, 0xDA, 0, 12, 3, 1, 0x00, 2, 0x11, 3, 0x11, 0, 63, 0]);
    }
}
