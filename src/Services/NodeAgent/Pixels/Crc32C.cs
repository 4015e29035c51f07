using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace FlatRender.NodeAgent.Pixels;

/// <summary>CRC32C (Castagnoli) of a picture, by the processor's own instruction where there is one.</summary>
public static class Crc32C
{
    // The instruction takes three cycles but one can start every cycle: three lanes side by side hide the wait.
    const int Lane = 8 * 1024;
    static readonly uint[][] OneLane = ShiftTable(Lane), TwoLanes = ShiftTable(2 * Lane);

    public static string Hex(ReadOnlySpan<byte> bytes) => Of(bytes).ToString("x8");

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static uint Of(ReadOnlySpan<byte> bytes)
    {
        var crc = uint.MaxValue;
        while (bytes.Length >= 3 * Lane)
        {
            var a = MemoryMarshal.Cast<byte, ulong>(bytes[..Lane]);
            var b = MemoryMarshal.Cast<byte, ulong>(bytes.Slice(Lane, Lane));
            var c = MemoryMarshal.Cast<byte, ulong>(bytes.Slice(2 * Lane, Lane));
            uint y = 0, z = 0;
            for (var i = 0; i < a.Length; i++)
            {
                crc = BitOperations.Crc32C(crc, a[i]);
                y = BitOperations.Crc32C(y, b[i]);
                z = BitOperations.Crc32C(z, c[i]);
            }
            crc = Shift(TwoLanes, crc) ^ Shift(OneLane, y) ^ z;
            bytes = bytes[(3 * Lane)..];
        }
        for (; bytes.Length >= 8; bytes = bytes[8..]) crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
        foreach (var value in bytes) crc = BitOperations.Crc32C(crc, value);
        return ~crc;
    }

    static uint Shift(uint[][] table, uint crc) => table[0][crc & 0xFF] ^ table[1][crc >> 8 & 0xFF] ^ table[2][crc >> 16 & 0xFF] ^ table[3][crc >> 24];

    /// <summary>What a checksum becomes after so many zero bytes: linear, so a table for each of its bytes tells it.</summary>
    static uint[][] ShiftTable(int zeros)
    {
        var bits = new uint[32];
        for (var bit = 0; bit < 32; bit++)
        {
            var crc = 1u << bit;
            for (var i = 0; i < zeros / 8; i++) crc = BitOperations.Crc32C(crc, 0ul);
            bits[bit] = crc;
        }
        var table = new uint[4][];
        for (var part = 0; part < 4; part++)
        {
            table[part] = new uint[256];
            for (var value = 0; value < 256; value++)
                for (var bit = 0; bit < 8; bit++)
                    if ((value >> bit & 1) != 0) table[part][value] ^= bits[part * 8 + bit];
        }
        return table;
    }
}
