using System.Globalization;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace FlatRender.NodeAgent.Work;

/// <summary>Composition frames a film frame, exactly.</summary>
readonly record struct FrameStep(long Num, long Den)
{
    /// <summary>Null when the text is not "numerator/denominator", both positive.</summary>
    public static FrameStep? TryParse(string? text) =>
        text?.Split('/') is [var num, var den] && long.TryParse(num, NumberStyles.None, CultureInfo.InvariantCulture, out var n) && long.TryParse(den, NumberStyles.None, CultureInfo.InvariantCulture, out var d) && n > 0 && d > 0
            ? new FrameStep(n, d) : null;

    public static FrameStep Parse(string text) => TryParse(text) ?? throw new FormatException($"A frame step is numerator/denominator, not '{text}'.");

    /// <summary>Where in the composition a film frame stands. One division of whole numbers: no error adds up.</summary>
    public double At(int frame) => (double)((Int128)frame * Num) / Den;
}

/// <summary>Machines with the same word here draw the same pixels with the same engine.</summary>
static class Hardware
{
    /// <summary>Skia picks its inner loops by what the processor can do, and their rounding differs.</summary>
    public static string Architecture { get; } =
        RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant() + (Avx512F.IsSupported ? "-avx512" : Avx2.IsSupported ? "-avx2" : "");
}
