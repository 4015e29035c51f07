using System.Diagnostics;

namespace FlatRender.Bench;

/// <summary>This program once more, as a process of a benchmark, spoken to by lines; gone with it.</summary>
sealed class Part : IDisposable
{
    readonly string _what;
    readonly Process _process;

    /// <param name="words">What it is to do (see Program.cs), whether this one was started by itself or through dotnet.</param>
    public Part(IReadOnlyList<string> words, params (string Name, string Value)[] variables)
    {
        var host = Environment.ProcessPath!;
        var start = new ProcessStartInfo(host, Path.GetFileNameWithoutExtension(host) == "dotnet" ? [typeof(Part).Assembly.Location, .. words] : words) { RedirectStandardInput = true, RedirectStandardOutput = true };
        foreach (var (name, value) in variables) start.Environment[name] = value;
        (_what, _process) = (words[0], Process.Start(start)!);
    }

    public int Pid => _process.Id;

    /// <exception cref="InvalidOperationException">It has ended.</exception>
    public async Task<string> LineAsync()
    {
        if (await _process.StandardOutput.ReadLineAsync() is { } line) return line;
        await _process.WaitForExitAsync();
        throw new InvalidOperationException($"{_what}, a process of the benchmark, has ended: {_process.ExitCode}.");
    }

    /// <summary>In such a process: what it is told. A console is read by a thread that waits; one of the pool's would be missing from what is measured.</summary>
    public static Task<string?> HearAsync() => Task.Factory.StartNew(Console.In.ReadLine, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    public async Task TellAsync(string line)
    {
        await _process.StandardInput.WriteLineAsync(line);
        await _process.StandardInput.FlushAsync();
    }

    public void Dispose()
    {
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }
}
