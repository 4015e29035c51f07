using FlatRender.Contracts;
using FlatRender.NodeAgent.Pixels;

namespace FlatRender.NodeAgent.Work;

/// <summary>Frames whose marks look like something went wrong while they were drawn. Most are meant so; drawing them again tells.</summary>
static class Suspicion
{
    const int Most = 8;

    /// <summary>A picture this much farther from both its neighbours than they are from each other stands out.</summary>
    const int StandsOut = 4;

    public static IReadOnlyList<int> Frames(IReadOnlyList<FrameMark> marks)
    {
        var signatures = marks.Select(m => Convert.FromBase64String(m.Signature)).ToArray();
        var suspects = new List<int>();
        for (var i = 0; i < marks.Count && suspects.Count < Most; i++)
            if (Repeats(marks, i) || Blank(signatures, i) || Alone(signatures, i)) suspects.Add(marks[i].Index);
        return suspects;
    }

    /// <summary>The first frame of those that show the one before once more.</summary>
    static bool Repeats(IReadOnlyList<FrameMark> marks, int i) => i > 0 && marks[i].Crc32C == marks[i - 1].Crc32C && (i == 1 || marks[i - 1].Crc32C != marks[i - 2].Crc32C);

    /// <summary>The first of the frames without a picture.</summary>
    static bool Blank(byte[][] signatures, int i) => Even(signatures[i]) && (i == 0 || !Even(signatures[i - 1]));

    static bool Even(byte[] signature) => signature.Max() - signature.Min() <= 1;

    static bool Alone(byte[][] signatures, int i) =>
        i > 0 && i < signatures.Length - 1 && Math.Min(Distance(signatures[i], signatures[i - 1]), Distance(signatures[i], signatures[i + 1])) > StandsOut * Distance(signatures[i - 1], signatures[i + 1]) + Luma.Length;

    static int Distance(byte[] a, byte[] b)
    {
        var sum = 0;
        for (var i = 0; i < a.Length; i++) sum += Math.Abs(a[i] - b[i]);
        return sum;
    }
}
