using System.Globalization;

namespace FlatRender.NodeAgent.Children;

/// <summary>What the kernel says of a process.</summary>
/// <param name="Cpu">Seconds, with those of its children that have ended.</param>
readonly record struct ProcessFacts(long ResidentBytes, double Cpu)
{
    const double TicksPerSecond = 100;
    const int DeepestFamily = 8;

    /// <summary>Null when it is gone.</summary>
    public static ProcessFacts? Of(int pid)
    {
        try
        {
            // The name in brackets may hold anything, also spaces and brackets: fields count from the last bracket.
            var stat = File.ReadAllText($"/proc/{pid}/stat");
            var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            double Ticks(int field) => long.Parse(fields[field], CultureInfo.InvariantCulture);
            return new(long.Parse(fields[21], CultureInfo.InvariantCulture) * Environment.SystemPageSize, (Ticks(11) + Ticks(12) + Ticks(13) + Ticks(14)) / TicksPerSecond);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or IndexOutOfRangeException)
        {
            return null;
        }
    }

    /// <summary>Of a process and all its descendants together: a limit that counts one process is none.</summary>
    public static ProcessFacts? OfAll(int pid, int depth = 0)
    {
        if (Of(pid) is not { } facts) return null;
        if (depth == DeepestFamily) return facts;
        foreach (var child in Children(pid))
            if (OfAll(child, depth + 1) is { } more) facts = new(facts.ResidentBytes + more.ResidentBytes, facts.Cpu + more.Cpu);
        return facts;
    }

    static IEnumerable<int> Children(int pid)
    {
        var found = new List<int>();
        try
        {
            foreach (var thread in Directory.EnumerateDirectories($"/proc/{pid}/task"))
                foreach (var word in File.ReadAllText($"{thread}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries)) found.Add(int.Parse(word, CultureInfo.InvariantCulture));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It is just ending.
        }
        return found;
    }
}
