using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace FlatRender.NodeAgent.Pixels;

/// <summary>RGBA to planar 4:2:0, BT.709 limited range. Sizes are even. The vector paths and the plain one give the same bytes.</summary>
public static class I420
{
    // BT.709 (0.2126, 0.7152, 0.0722) scaled to 219/255 for luma and 224/255 for chroma, times 2^15. Each chroma row sums to zero: grey stays grey.
    internal const int YR = 5983, YG = 20127, YB = 2032;
    internal const int UR = -3298, UG = -11094, UB = 14392;
    internal const int VR = 14392, VG = -13072, VB = -1320;
    internal const int YRound = (16 << 15) + (1 << 14), CRound = (128 << 17) + (1 << 16);

    public static int Size(int width, int height) => width * height * 3 / 2;

    public static void FromRgba(ReadOnlySpan<byte> rgba, int width, int height, Span<byte> i420)
    {
        if (((width | height) & 1) != 0 || width < 2 || height < 2) throw new ArgumentException($"A picture of {width}x{height} has no 4:2:0 form: sizes are even.");
        var y = i420[..(width * height)];
        var u = i420.Slice(width * height, width * height / 4);
        var v = i420.Slice(width * height * 5 / 4, width * height / 4);
        for (var row = 0; row < height; row += 2)
        {
            var top = rgba.Slice(row * width * 4, width * 4);
            var bottom = rgba.Slice((row + 1) * width * 4, width * 4);
            var yTop = y.Slice(row * width, width);
            var yBottom = y.Slice((row + 1) * width, width);
            var uRow = u.Slice(row / 2 * (width / 2), width / 2);
            var vRow = v.Slice(row / 2 * (width / 2), width / 2);
            var done = Avx2.IsSupported ? RowsAvx2(top, bottom, yTop, yBottom, uRow, vRow) : Vector128.IsHardwareAccelerated ? Rows128(top, bottom, yTop, yBottom, uRow, vRow) : 0;
            Rows(top, bottom, yTop, yBottom, uRow, vRow, done);
        }
    }

    /// <summary>Two rows from pixel <paramref name="from"/> on, one number at a time: the tail of a row, and the oracle of the tests.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Rows(ReadOnlySpan<byte> top, ReadOnlySpan<byte> bottom, Span<byte> yTop, Span<byte> yBottom, Span<byte> u, Span<byte> v, int from)
    {
        for (var x = from; x < yTop.Length; x += 2)
        {
            yTop[x] = Luma(top, x);
            yTop[x + 1] = Luma(top, x + 1);
            yBottom[x] = Luma(bottom, x);
            yBottom[x + 1] = Luma(bottom, x + 1);
            int r = Sum(top, bottom, x, 0), g = Sum(top, bottom, x, 1), b = Sum(top, bottom, x, 2);
            u[x / 2] = (byte)(UR * r + UG * g + UB * b + CRound >> 17);
            v[x / 2] = (byte)(VR * r + VG * g + VB * b + CRound >> 17);
        }
    }

    static byte Luma(ReadOnlySpan<byte> row, int x) => (byte)(YR * row[x * 4] + YG * row[x * 4 + 1] + YB * row[x * 4 + 2] + YRound >> 15);

    static int Sum(ReadOnlySpan<byte> top, ReadOnlySpan<byte> bottom, int x, int channel) =>
        top[x * 4 + channel] + top[x * 4 + 4 + channel] + bottom[x * 4 + channel] + bottom[x * 4 + 4 + channel];

    // A pixel seen as one 32-bit number holds R and B in the low bytes of its two halves, G and A in the high ones. Masked, they are pairs of 16-bit
    // numbers, and multiply-add gives R·a + B·b in one instruction: no shuffles.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static int RowsAvx2(ReadOnlySpan<byte> top, ReadOnlySpan<byte> bottom, Span<byte> yTop, Span<byte> yBottom, Span<byte> u, Span<byte> v)
    {
        var whole = yTop.Length & ~31;
        ref var t = ref MemoryMarshal.GetReference(top);
        ref var b = ref MemoryMarshal.GetReference(bottom);
        var order = Vector256.Create(0, 4, 1, 5, 2, 6, 3, 7);
        for (var x = 0; x < whole; x += 32)
        {
            Eight(ref t, ref b, x, out var ya0, out var yb0, out var u0, out var v0);
            Eight(ref t, ref b, x + 8, out var ya1, out var yb1, out var u1, out var v1);
            Eight(ref t, ref b, x + 16, out var ya2, out var yb2, out var u2, out var v2);
            Eight(ref t, ref b, x + 24, out var ya3, out var yb3, out var u3, out var v3);
            Pack(ya0, ya1, ya2, ya3, order).StoreUnsafe(ref yTop[x]);
            Pack(yb0, yb1, yb2, yb3, order).StoreUnsafe(ref yBottom[x]);
            Halve(u0, u1, u2, u3).StoreUnsafe(ref u[x / 2]);
            Halve(v0, v1, v2, v3).StoreUnsafe(ref v[x / 2]);
        }
        return whole;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Eight(ref byte top, ref byte bottom, int x, out Vector256<int> yTop, out Vector256<int> yBottom, out Vector256<int> u, out Vector256<int> v)
    {
        var mask = Vector256.Create(0x00FF00FF);
        var t = Vector256.LoadUnsafe(ref top, (nuint)(x * 4)).AsInt32();
        var b = Vector256.LoadUnsafe(ref bottom, (nuint)(x * 4)).AsInt32();
        Vector256<short> tRb = (t & mask).AsInt16(), tG = ((t >>> 8) & mask).AsInt16(), bRb = (b & mask).AsInt16(), bG = ((b >>> 8) & mask).AsInt16();
        var yRb = Pair(YR, YB);
        var yG = Pair(YG, 0);
        var round = Vector256.Create(YRound);
        yTop = Avx2.MultiplyAddAdjacent(tRb, yRb) + Avx2.MultiplyAddAdjacent(tG, yG) + round >> 15;
        yBottom = Avx2.MultiplyAddAdjacent(bRb, yRb) + Avx2.MultiplyAddAdjacent(bG, yG) + round >> 15;
        Vector256<short> rb = tRb + bRb, g = tG + bG;
        u = Avx2.MultiplyAddAdjacent(rb, Pair(UR, UB)) + Avx2.MultiplyAddAdjacent(g, Pair(UG, 0));
        v = Avx2.MultiplyAddAdjacent(rb, Pair(VR, VB)) + Avx2.MultiplyAddAdjacent(g, Pair(VG, 0));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Vector256<short> Pair(int low, int high) => Vector256.Create(low & 0xFFFF | high << 16).AsInt16();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Vector256<byte> Pack(Vector256<int> a, Vector256<int> b, Vector256<int> c, Vector256<int> d, Vector256<int> order) =>
        Avx2.PermuteVar8x32(Avx2.PackUnsignedSaturate(Avx2.PackSignedSaturate(a, b), Avx2.PackSignedSaturate(c, d)).AsInt32(), order).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Vector128<byte> Halve(Vector256<int> a, Vector256<int> b, Vector256<int> c, Vector256<int> d)
    {
        var round = Vector256.Create(CRound);
        var ab = Avx2.HorizontalAdd(a, b) + round >> 17;
        var cd = Avx2.HorizontalAdd(c, d) + round >> 17;
        // Packing works within halves: the low one holds the first two numbers of a, b, c and d, the high one their last two. Interleaving pairs of bytes puts them in order.
        var packed = Avx2.PackSignedSaturate(ab, cd);
        var pairs = Avx2.PackUnsignedSaturate(packed, packed).AsInt16();
        return Sse2.UnpackLow(pairs.GetLower(), pairs.GetUpper()).AsByte();
    }

    internal static int Rows128(ReadOnlySpan<byte> top, ReadOnlySpan<byte> bottom, Span<byte> yTop, Span<byte> yBottom, Span<byte> u, Span<byte> v)
    {
        var whole = yTop.Length & ~3;
        for (var x = 0; x < whole; x += 4)
        {
            var t = Vector128.Create<byte>(top.Slice(x * 4, 16)).AsInt32();
            var b = Vector128.Create<byte>(bottom.Slice(x * 4, 16)).AsInt32();
            var mask = Vector128.Create(0xFF);
            Vector128<int> tr = t & mask, tg = t >>> 8 & mask, tb = t >>> 16 & mask, br = b & mask, bg = b >>> 8 & mask, bb = b >>> 16 & mask;
            var yt = tr * YR + tg * YG + tb * YB + Vector128.Create(YRound) >> 15;
            var yb = br * YR + bg * YG + bb * YB + Vector128.Create(YRound) >> 15;
            Vector128<int> r = tr + br, g = tg + bg, bl = tb + bb;
            var us = r * UR + g * UG + bl * UB;
            var vs = r * VR + g * VG + bl * VB;
            for (var i = 0; i < 4; i++) (yTop[x + i], yBottom[x + i]) = ((byte)yt[i], (byte)yb[i]);
            for (var i = 0; i < 4; i += 2) (u[(x + i) / 2], v[(x + i) / 2]) = ((byte)(us[i] + us[i + 1] + CRound >> 17), (byte)(vs[i] + vs[i + 1] + CRound >> 17));
        }
        return whole;
    }
}
