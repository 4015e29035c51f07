using System.Globalization;
using System.Runtime.InteropServices;

namespace FlatRender.Bench;

/// <summary>Processes and their descendants, from /proc.</summary>
static class Kin
{
    const double TicksPerSecond = 100;

    /// <summary>Those that live, of these and of all they have started.</summary>
    public static IReadOnlyList<int> Of(IEnumerable<int> heads)
    {
        var all = Directory.GetDirectories("/proc").Select(d => int.TryParse(Path.GetFileName(d), CultureInfo.InvariantCulture, out var pid) ? pid : 0).Where(pid => pid > 0)
            .Select(pid => (Pid: pid, Fields: Stat(pid))).Where(p => p.Fields is not null).ToDictionary(p => p.Pid, p => ParentOf(p.Fields!));
        var found = heads.Where(all.ContainsKey).ToList();
        for (var i = 0; i < found.Count; i++) found.AddRange(all.Where(p => p.Value == found[i]).Select(p => p.Key));
        return [.. found.Distinct()];
    }

    public static bool Lives(int pid) => Stat(pid) is { } stat && stat[0] is not ("Z" or "X");

    public static int? Parent(int pid) => Stat(pid) is { } stat ? ParentOf(stat) : null;

    public static string Name(int pid) => Read(pid, "comm").Trim();

    public static string Words(int pid) => Read(pid, "cmdline").Replace('\0', ' ');

    /// <summary>Seconds of processor so far.</summary>
    /// <param name="ended">With those of its children that have ended.</param>
    public static double Cpu(int pid, bool ended) => Stat(pid) is { } stat ? stat[11..(ended ? 15 : 13)].Sum(t => long.Parse(t, CultureInfo.InvariantCulture)) / TicksPerSecond : 0;

    /// <summary>Seconds so far of these and all their descendants.</summary>
    public static double Cpu(IEnumerable<int> heads) => Of(heads).Sum(pid => Cpu(pid, ended: true));

    /// <summary>Seconds so far that all processors of the machine worked, whoever for.</summary>
    public static double MachineCpu()
    {
        var spent = File.ReadLines("/proc/stat").First().Split(' ', StringSplitOptions.RemoveEmptyEntries)[1..9].Select(t => long.Parse(t, CultureInfo.InvariantCulture)).ToArray();
        // All but idle and waiting for a disk.
        return (spent.Sum() - spent[3] - spent[4]) / TicksPerSecond;
    }

    /// <summary>Seconds of this process's children that have ended.</summary>
    public static double EndedChildrenCpu() => Stat(Environment.ProcessId)![13..15].Sum(t => long.Parse(t, CultureInfo.InvariantCulture)) / TicksPerSecond;

    public static double ResidentMb(IEnumerable<int> heads) => Of(heads).Sum(pid => Stat(pid) is { } stat ? long.Parse(stat[21], CultureInfo.InvariantCulture) : 0) * (double)Environment.SystemPageSize / 1048576;

    public static void Send(int pid, int signal)
    {
        // 0 and 1 would be all of us.
        if (pid > 1) _ = Kill(pid, signal);
    }

    static int ParentOf(string[] stat) => int.Parse(stat[1], CultureInfo.InvariantCulture);

    // After the name, which may hold anything: state, parent, ...
    static string[]? Stat(int pid) => Read(pid, "stat") is { Length: > 0 } text ? text[(text.LastIndexOf(')') + 2)..].Split(' ') : null;

    static string Read(int pid, string what)
    {
        try
        {
            return File.ReadAllText($"/proc/{pid}/{what}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }

    [DllImport("libc", EntryPoint = "kill")]
    static extern int Kill(int pid, int signal);
}
