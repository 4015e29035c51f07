namespace FlatRender.NodeAgent;

/// <summary>In embedded use the agent does not outlive the process that started it.</summary>
static class Parent
{
    static readonly TimeSpan Look = TimeSpan.FromMilliseconds(500);

    /// <summary>Ends when that process has; never, when there is none.</summary>
    public static async Task Gone(int? pid, TimeProvider clock, CancellationToken ct)
    {
        if (pid is not { } parent)
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, clock, ct).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return;
        }
        // A process number is used again; with its start time it is one process for ever.
        var born = Born(parent);
        using var timer = new PeriodicTimer(Look, clock);
        while (born is not null && Born(parent) == born && !ct.IsCancellationRequested) await timer.WaitForNextTickAsync(CancellationToken.None);
    }

    static string? Born(int pid)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{pid}/stat");
            var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            // A zombie has ended; only its parent has not noticed.
            return fields[0] is "Z" or "X" ? null : fields[19];
        }
        catch (IOException)
        {
            return null;
        }
    }
}
