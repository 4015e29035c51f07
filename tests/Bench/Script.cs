using System.Diagnostics;
using System.Text.Json;

namespace FlatRender.Bench;

/// <summary>A script in Node.js that says lines of JSON, the first of them when it is ready.</summary>
sealed class Script : IAsyncDisposable
{
    readonly Process _process;
    readonly Task _reading;
    readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);

    Script(Process process, Action<JsonElement> heard)
    {
        _process = process;
        _reading = ReadAsync(heard);
    }

    /// <param name="name">In the folder <c>foreign</c>.</param>
    /// <param name="heard">Each line but the first.</param>
    public static async Task<Script> StartAsync(string root, string name, IReadOnlyList<string> words, Action<JsonElement> heard, IReadOnlyDictionary<string, string>? variables = null)
    {
        var info = new ProcessStartInfo("node", [Path.Combine(root, "tests/Bench/foreign", name), .. words]) { RedirectStandardInput = true, RedirectStandardOutput = true };
        foreach (var (key, value) in variables ?? new Dictionary<string, string>()) info.Environment[key] = value;
        var script = new Script(Process.Start(info)!, heard);
        await script._ready.Task;
        return script;
    }

    public void Say(string line)
    {
        lock (_process)
        {
            _process.StandardInput.WriteLine(line);
            _process.StandardInput.Flush();
        }
    }

    async Task ReadAsync(Action<JsonElement> heard)
    {
        while (await _process.StandardOutput.ReadLineAsync() is { } line)
        {
            var said = JsonSerializer.Deserialize<JsonElement>(line);
            if (said.TryGetProperty("ready", out _)) _ready.TrySetResult();
            else heard(said);
        }
        _ready.TrySetException(new InvalidOperationException("The script ended before it was ready."));
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited) _process.Kill();
        await _process.WaitForExitAsync();
        await _reading;
        _process.Dispose();
    }
}
