using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace FlatRender.NodeAgent.Pixels;

/// <summary>A picture's signature: the mean luma of each cell of a 16x16 grid. Pictures smaller than the grid repeat pixels.</summary>
public static class Luma
{
    public const int Cells = 16, Length = Cells * Cells;
    const int LeastReduced = 256;

    /// <summary>The size to which a luma plane can be averaged without changing its signature by more than rounding: one side becomes the grid's, where its cells are equally wide and large enough
    /// to be worth it.</summary>
    public static (int Width, int Height) Reduced(int width, int height) =>
        width % Cells == 0 && width >= LeastReduced ? (Cells, height)
        : height % Cells == 0 && height >= LeastReduced ? (width, Cells)
        : (width, height);

    /// <param name="y">The luma plane, <paramref name="width"/> × <paramref name="height"/>.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Signature(ReadOnlySpan<byte> y, int width, int height, Span<byte> signature)
    {
        Span<uint> sums = stackalloc uint[Cells];
        for (var cellRow = 0; cellRow < Cells; cellRow++)
        {
            var (top, bottom) = Edge(cellRow, height);
            sums.Clear();
            for (var row = top; row < bottom; row++)
            {
                var line = y.Slice(row * width, width);
                for (var cell = 0; cell < Cells; cell++)
                {
                    var (left, right) = Edge(cell, width);
                    sums[cell] += Sum(line[left..right]);
                }
            }
            for (var cell = 0; cell < Cells; cell++)
            {
                var (left, right) = Edge(cell, width);
                var pixels = (uint)((right - left) * (bottom - top));
                signature[cellRow * Cells + cell] = (byte)((sums[cell] + pixels / 2) / pixels);
            }
        }
    }

    /// <summary>Where a cell begins and ends; at least one pixel.</summary>
    internal static (int From, int To) Edge(int cell, int size)
    {
        var from = cell * size / Cells;
        return (from, Math.Max(from + 1, (cell + 1) * size / Cells));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static uint Sum(ReadOnlySpan<byte> bytes)
    {
        var total = 0u;
        if (Vector128.IsHardwareAccelerated && bytes.Length >= 16)
        {
            // A lane takes two bytes a step: it is emptied before 128 steps can overflow it.
            while (bytes.Length >= 16)
            {
                var lanes = Vector128<ushort>.Zero;
                var steps = Math.Min(bytes.Length / 16, 128);
                ref var first = ref MemoryMarshal.GetReference(bytes);
                for (var i = 0; i < steps; i++)
                {
                    var (low, high) = Vector128.Widen(Vector128.LoadUnsafe(ref first, (nuint)(i * 16)));
                    lanes += low + high;
                }
                var (a, b) = Vector128.Widen(lanes);
                total += Vector128.Sum(a + b);
                bytes = bytes[(steps * 16)..];
            }
        }
        foreach (var value in bytes) total += value;
        return total;
    }
}
