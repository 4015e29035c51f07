using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.Json.Serialization;

namespace FlatRender.Cli;

/// <summary>A process by id and start time: ids are used again, and a stranger's process is never taken for ours.</summary>
/// <param name="Started">Clock ticks after boot, as /proc tells.</param>
public sealed record ProcessMark(int Pid, long Started)
{
    public static ProcessMark? Of(int pid) => Stat(pid) is { Ended: false } stat ? new(pid, stat.Started) : null;

    [JsonIgnore]
    public bool IsAlive => Of(Pid) == this;

    /// <summary>Asks the process to end, waits, and ends it by force when it does not, and sees that it has ended.</summary>
    public async Task StopAsync(int signal, TimeSpan patience, TimeProvider clock)
    {
        if (!IsAlive)
            return;
        Kill(Pid, signal);
        if (await EndsAsync(patience, clock))
            return;
        Kill(Pid, Signals.Kill);
        // Force is not obeyed at once either: memory is given back first. Only a broken disk or the like takes longer than this.
        await EndsAsync(TimeSpan.FromMinutes(1), clock);
    }

    async Task<bool> EndsAsync(TimeSpan patience, TimeProvider clock)
    {
        var since = clock.GetTimestamp();
        while (IsAlive)
        {
            if (clock.GetElapsedTime(since) >= patience)
                return false;
            await Task.Delay(TimeSpan.FromMilliseconds(20), clock);
        }
        return true;
    }

    [DllImport("libc", EntryPoint = "kill", SetLastError = true)]
    static extern int Kill(int pid, int signal);

    static (bool Ended, long Started)? Stat(int pid)
    {
        try
        {
            // "pid (name) state ppid ...": the name may hold blanks and brackets, so fields are counted from its end.
            var text = File.ReadAllText($"/proc/{pid}/stat");
            var fields = text[(text.LastIndexOf(')') + 2)..].Split(' ');
            // Of a killed process the first thread may be gone while others still hold its ports: state Z, and more threads than that one.
            var ended = fields[0] is "X" || fields[0] is "Z" && fields[17] is ("0" or "1");
            return (ended, long.Parse(fields[19], System.Globalization.CultureInfo.InvariantCulture));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}

/// <summary>Signal numbers of Linux.</summary>
public static class Signals
{
    public const int Interrupt = 2, Kill = 9, Terminate = 15;
}

/// <summary>What a program that ran to its end left.</summary>
public sealed record Ran(int ExitCode, string Output, string Errors)
{
    /// <summary>The last lines it said, for a one-line message.</summary>
    public string LastWords => string.Join(" ", (Errors.Length > 0 ? Errors : Output).Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).TakeLast(3));
}

/// <summary>How other programs are started.</summary>
public static class Programs
{
    /// <summary>Runs a program to its end and keeps what it said. Cancelling ends it and its children.</summary>
    public static async Task<Ran> RunAsync(IReadOnlyList<string> command, CancellationToken stop, IReadOnlyDictionary<string, string>? environment = null, string? input = null, string? folder = null)
    {
        var info = Info(command, environment, folder ?? "/");
        info.RedirectStandardOutput = info.RedirectStandardError = info.RedirectStandardInput = true;
        using var process = Process.Start(info)!;
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(stop);
            var errors = process.StandardError.ReadToEndAsync(stop);
            await process.StandardInput.WriteAsync(input.AsMemory(), stop);
            process.StandardInput.Close();
            var all = new Ran(0, await output, await errors);
            await process.WaitForExitAsync(stop);
            return all with { ExitCode = process.ExitCode };
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            // Its folder is cleared by whoever cancelled: nothing may still write there.
            process.WaitForExit(TimeSpan.FromMinutes(1));
            throw;
        }
    }

    /// <summary>Starts a server in a session of its own, so that Ctrl-C in our terminal is ours to answer, with its words going to a log. Its process id stays that of the server itself.</summary>
    public static ProcessMark StartServer(IReadOnlyList<string> command, ServerLog log, IReadOnlyDictionary<string, string>? environment = null)
    {
        const string script = "umask 077; log=$1; shift; exec setsid \"$@\" >>\"$log\" 2>&1 </dev/null";
        using var process = Process.Start(Info(["/bin/sh", "-c", script, "sh", log.Path, .. command], environment, "/"))!;
        return ProcessMark.Of(process.Id) ?? throw Refusal.Failed("NOT_STARTED", $"{command[0]} ended at once: see {log.Path}");
    }

    /// <summary>Runs a program in our place: same terminal, its exit code is ours. SIGTERM is handed on.</summary>
    public static async Task<int> BecomeAsync(IReadOnlyList<string> command, IReadOnlyDictionary<string, string>? environment, string folder, CancellationToken stop)
    {
        using var process = Process.Start(Info(command, environment, folder))!;
        var mark = ProcessMark.Of(process.Id);
        using var handOn = stop.Register(() => _ = mark?.StopAsync(Signals.Terminate, TimeSpan.FromSeconds(30), TimeProvider.System));
        await process.WaitForExitAsync(CancellationToken.None);
        return process.ExitCode;
    }

    public static string? Find(string name) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Select(folder => Path.Combine(folder, name)).FirstOrDefault(IsThere);

    /// <summary>False also for a link that leads nowhere.</summary>
    public static bool IsThere(string program) => File.Exists(program) && new FileInfo(program).ResolveLinkTarget(returnFinalTarget: true) is null or FileInfo { Exists: true };

    static ProcessStartInfo Info(IReadOnlyList<string> command, IReadOnlyDictionary<string, string>? environment, string folder)
    {
        var info = new ProcessStartInfo(command[0]) { WorkingDirectory = folder };
        foreach (var word in command.Skip(1))
            info.ArgumentList.Add(word);
        foreach (var (name, value) in environment ?? new Dictionary<string, string>())
            info.Environment[name] = value;
        return info;
    }
}
