using System.Diagnostics;
using System.Globalization;

namespace FlatRender.Bench;

/// <summary>Processor time of this process and of the servers it works with, from /proc: theirs count only where they run on this machine.</summary>
/// <param name="postmaster">PostgreSQL's first process, or null.</param>
/// <param name="broker">RabbitMQ's process, or null.</param>
sealed class Cpu(int? postmaster, int? broker)
{
    public bool SeesDatabase => postmaster is not null;
    public bool SeesBroker => broker is not null;

    /// <summary>Seconds of this process so far.</summary>
    public static double OwnSeconds()
    {
        using var self = Process.GetCurrentProcess();
        return self.TotalProcessorTime.TotalSeconds;
    }

    /// <summary>Seconds so far, all together.</summary>
    public double Seconds()
    {
        var seconds = OwnSeconds();
        if (broker is { } b) seconds += Kin.Cpu(b, ended: false);
        if (postmaster is not { } p) return seconds;
        // What ended backends used has gone to the postmaster.
        seconds += Kin.Cpu(p, ended: true) + Kin.Of([p]).Where(pid => pid != p).Sum(pid => Kin.Cpu(pid, ended: false));
        return seconds;
    }

    /// <summary>The postmaster of the backend with this id, if both are of this machine.</summary>
    public static int? PostmasterOf(int backend) => Kin.Name(backend) == "postgres" ? Kin.Parent(backend) : null;

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
}
