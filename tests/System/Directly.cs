using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using FlatRender.Contracts;

namespace FlatRender.SystemTests;

/// <summary>The engine without a farm around it: one process that draws all the frames it is asked for.</summary>
static class Directly
{
    static readonly JsonSerializerOptions s_json = new(Wire.Json) { DefaultIgnoreCondition = JsonIgnoreCondition.Never };

    /// <summary>Each list of frames is a request of its own.</summary>
    /// <returns>The RGBA pixels of each frame, in the order they were asked for.</returns>
    public static async Task<IReadOnlyList<byte[]>> DrawAsync(string template, FilmSpec film, params IReadOnlyList<IReadOnlyList<int>> requests)
    {
        using var engine = Process.Start(new ProcessStartInfo("node", [Checkout.Engine]) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        var step = film.FrameStep.Split('/').Select(p => double.Parse(p, CultureInfo.InvariantCulture)).ToArray();
        object[] lines =
        [
            new { id = 1, op = "load", template, width = film.Width, height = film.Height, background = film.Background, fit = film.Fit },
            .. requests.Select((frames, i) => new { id = 2 + i, op = "render", frames = frames.Select(f => new { index = f, at = f * step[0] / step[1] }) }),
        ];
        foreach (var request in lines)
            await engine.StandardInput.WriteLineAsync(JsonSerializer.Serialize(request, s_json));
        engine.StandardInput.Close();
        var output = engine.StandardOutput.BaseStream;
        (await HeaderAsync(output)).TryGetProperty("error", out var error).ShouldBeFalse($"{error}");
        var drawn = new List<byte[]>();
        foreach (var frames in requests)
        {
            foreach (var frame in frames)
            {
                var header = await HeaderAsync(output);
                header.GetProperty("index").GetInt32().ShouldBe(frame);
                var pixels = new byte[header.GetProperty("bytes").GetInt32()];
                await output.ReadExactlyAsync(pixels);
                drawn.Add(pixels);
            }
            (await HeaderAsync(output)).GetProperty("done").GetBoolean().ShouldBeTrue();
        }
        await engine.WaitForExitAsync();
        engine.ExitCode.ShouldBe(0);
        return drawn;
    }

    static async Task<JsonElement> HeaderAsync(Stream from)
    {
        var length = new byte[4];
        await from.ReadExactlyAsync(length);
        var json = new byte[BinaryPrimitives.ReadInt32LittleEndian(length)];
        await from.ReadExactlyAsync(json);
        return JsonDocument.Parse(json).RootElement;
    }

    /// <summary>CRC-32C (Castagnoli) as the framework counts it, not as the product does.</summary>
    public static string Crc32C(ReadOnlySpan<byte> bytes)
    {
        var crc = uint.MaxValue;
        foreach (var value in bytes)
            crc = System.Numerics.BitOperations.Crc32C(crc, value);
        return (~crc).ToString("x8", CultureInfo.InvariantCulture);
    }

    /// <summary>Mean luma of each cell of a 16x16 grid, of drawn RGBA pixels as BT.709 in television range.</summary>
    public static double[] Signature(ReadOnlySpan<byte> rgba, int width, int height)
    {
        var luma = new double[width * height];
        for (var i = 0; i < luma.Length; i++)
            luma[i] = 16 + 219 * (0.2126 * rgba[4 * i] + 0.7152 * rgba[4 * i + 1] + 0.0722 * rgba[4 * i + 2]) / 255;
        return Cells(width, height, i => luma[i]);
    }

    /// <summary>The same of a decoded luma plane.</summary>
    public static double[] Signature(ReadOnlyMemory<byte> luma, int width, int height) => Cells(width, height, i => luma.Span[i]);

    static double[] Cells(int width, int height, Func<int, double> luma)
    {
        var (sums, counts) = (new double[256], new int[256]);
        for (var y = 0; y < height; y++)
            for (var x = 0; x < width; x++)
            {
                var cell = y * 16 / height * 16 + x * 16 / width;
                sums[cell] += luma(y * width + x);
                counts[cell]++;
            }
        return [.. sums.Zip(counts, (sum, count) => count == 0 ? 0 : sum / count)];
    }
}
