using FlatRender.Contracts;
using FlatRender.NodeAgent.Pixels;

namespace FlatRender.NodeAgent.Work;

/// <summary>Decoded frames, each held against what its renderer says it drew.</summary>
sealed class Footage(IReadOnlyList<FrameMark> marks, int width, int height)
{
    const int MostWarnings = 20;
    readonly Tolerance _tolerance = Tolerance.Of(width, height);
    readonly (int Width, int Height) _size = Luma.Reduced(width, height);
    readonly byte[] _signature = new byte[Luma.Length];
    readonly List<int> _blank = [];

    /// <summary>Film frame numbers whose picture is not the drawn one.</summary>
    public List<int> Corrupt { get; } = [];

    /// <param name="y">A decoded frame's luma, as the decoder gives it.</param>
    public void Look(int index, ReadOnlySpan<byte> y)
    {
        if (index >= marks.Count) return;
        Luma.Signature(y, _size.Width, _size.Height, _signature);
        if (!_tolerance.Covers(_signature, Convert.FromBase64String(marks[index].Signature))) Corrupt.Add(marks[index].Index);
        if (!y.ContainsAnyExcept(y[0])) _blank.Add(marks[index].Index);
    }

    /// <summary>What looks odd but is often meant so: a third of real frames repeat the one before.</summary>
    public IReadOnlyList<string> Warnings()
    {
        var repeated = Enumerable.Range(1, Math.Max(0, marks.Count - 1)).Where(i => marks[i].Crc32C == marks[i - 1].Crc32C).Select(i => marks[i].Index);
        string[] all = [.. Runs(_blank).Select(r => $"Blank: {r}."), .. Runs(repeated).Select(r => $"Same as the frame before: {r}.")];
        return all.Length <= MostWarnings ? all : [.. all[..MostWarnings], $"And {all.Length - MostWarnings} more."];
    }

    /// <summary>"frame 3", "frames 5-9".</summary>
    public static IEnumerable<string> Runs(IEnumerable<int> frames)
    {
        int? first = null, last = null;
        foreach (var frame in frames.Order())
        {
            if (frame == last + 1)
            {
                last = frame;
                continue;
            }
            if (first is not null) yield return Run(first.Value, last!.Value);
            first = last = frame;
        }
        if (first is not null) yield return Run(first.Value, last!.Value);
    }

    static string Run(int first, int last) => first == last ? $"frame {first}" : $"frames {first}-{last}";
}
