using System.Diagnostics;
using System.Globalization;

namespace FlatRender.Bench;

/// <summary>Processor time of this process and of the servers it works with, from /proc: theirs count only where they run on this machine.</summary>
/// <param name="postmaster">PostgreSQL's first process, or null.</param>
/// <param name="broker">RabbitMQ's process, or null.</param>
sealed class Cpu(int? postmaster, int? broker)
{
    const double TicksPerSecond = 100;

    public bool SeesDatabase => postmaster is not null;
    public bool SeesBroker => broker is not null;

    /// <summary>Seconds so far, all together.</summary>
    public double Seconds()
    {
        using var self = Process.GetCurrentProcess();
        var seconds = self.TotalProcessorTime.TotalSeconds;
        if (broker is { } b) seconds += Of(b, children: false);
        if (postmaster is not { } p) return seconds;
        // What ended backends used has gone to the postmaster.
        seconds += Of(p, children: true);
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
            if (int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out var pid) && Fields(pid) is { } fields && fields[1] == p.ToString(CultureInfo.InvariantCulture))
                seconds += Of(pid, children: false);
        return seconds;
    }

    /// <summary>The postmaster of the backend with this id, if both are of this machine.</summary>
    public static int? PostmasterOf(int backend) => Fields(backend) is { } fields && Name(backend) == "postgres" ? int.Parse(fields[1], CultureInfo.InvariantCulture) : null;

    /// <summary>The process that listens at the port, if it can be seen.</summary>
    public static int? Listener(int port)
    {
        var hex = $":{port:X4}";
        var inodes = new[] { "/proc/net/tcp", "/proc/net/tcp6" }.Where(File.Exists).SelectMany(File.ReadLines).Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Where(f => f.Length > 9 && f[1].EndsWith(hex, StringComparison.Ordinal) && f[3] == "0A").Select(f => $"socket:[{f[9]}]").ToHashSet();
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out var pid)) continue;
            try
            {
                if (Directory.EnumerateFiles($"{folder}/fd").Any(fd => File.ResolveLinkTarget(fd, false) is { } target && inodes.Contains(target.Name))) return pid;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Not ours to see, or gone.
            }
        }
        return null;
    }

    static double Of(int pid, bool children) => Fields(pid) is { } f
        ? (Ticks(f, 11) + Ticks(f, 12) + (children ? Ticks(f, 13) + Ticks(f, 14) : 0)) / TicksPerSecond
        : 0;

    static double Ticks(string[] fields, int at) => double.Parse(fields[at], CultureInfo.InvariantCulture);

    // After the name, which may hold anything: state, parent, ...
    static string[]? Fields(int pid)
    {
        try
        {
            var text = File.ReadAllText($"/proc/{pid}/stat");
            return text[(text.LastIndexOf(')') + 2)..].Split(' ');
        }
        catch (IOException)
        {
            return null;
        }
    }

    static string Name(int pid) => File.ReadAllText($"/proc/{pid}/comm").Trim();
}
