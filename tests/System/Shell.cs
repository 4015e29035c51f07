using System.Diagnostics;
using System.Runtime.InteropServices;

namespace FlatRender.SystemTests;

/// <summary>What a program that ended said.</summary>
public sealed record Said(int ExitCode, string Output, string Notes)
{
    public override string ToString() => $"exit {ExitCode}\n{Output}\n{Notes}";
}

/// <summary>A program that runs: what it says is read, and it can be sent signals.</summary>
public sealed class Running : IDisposable
{
    readonly Process _process;
    readonly Task<string> _output, _notes;

    Running(Process process)
    {
        _process = process;
        _output = process.StandardOutput.ReadToEndAsync();
        _notes = process.StandardError.ReadToEndAsync();
    }

    public int Pid => _process.Id;
    public bool HasEnded => _process.HasExited;

    public static Running Start(string folder, IReadOnlyDictionary<string, string?> variables, params IEnumerable<string> words)
    {
        var info = new ProcessStartInfo(words.First(), words.Skip(1)) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, value) in variables)
            info.Environment[name] = value;
        return new(Process.Start(info)!);
    }

    /// <param name="longest">How long it may take; as long as anything else if not given.</param>
    public async Task<Said> EndAsync(TimeSpan? longest = null)
    {
        using var patience = new CancellationTokenSource(longest ?? Wait.Patience);
        try
        {
            await _process.WaitForExitAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            _process.Kill(entireProcessTree: true);
            throw new TimeoutException($"It did not end in {(longest ?? Wait.Patience).TotalSeconds} s. It said: {await _output}{await _notes}");
        }
        return new(_process.ExitCode, await _output, await _notes);
    }

    public void Dispose()
    {
        if (!_process.HasExited)
            _process.Kill(entireProcessTree: true);
        _process.Dispose();
    }
}

/// <summary>Signals of Linux, to processes that the tests started.</summary>
static partial class Signal
{
    public const int Interrupt = 2, Kill = 9, Terminate = 15, Continue = 18, Stop = 19;

    public static void Send(int pid, int signal) => _ = SendCore(pid, signal);

    [DllImport("libc", EntryPoint = "kill")]
    static extern int SendCore(int pid, int signal);
}

/// <summary>Waits for a thing itself, on a machine that may be busy.</summary>
static class Wait
{
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    public static Task UntilAsync(string what, Func<bool> seen) => UntilAsync(what, () => Task.FromResult(seen()));

    public static async Task UntilAsync(string what, Func<Task<bool>> seen)
    {
        using var patience = new CancellationTokenSource(Patience);
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (!await seen())
            if (patience.IsCancellationRequested)
                throw new TimeoutException($"Waited {Patience.TotalSeconds} s in vain: {what}");
            else
                await tick.WaitForNextTickAsync(CancellationToken.None);
    }
}
