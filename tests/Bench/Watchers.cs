using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json;
using FlatRender.Contracts;

namespace FlatRender.Bench;

/// <summary>People who watch renders with the TypeScript client, and how it ended for each.</summary>
sealed class Watchers : IAsyncDisposable
{
    readonly ConcurrentDictionary<JobId, string> _ended = [];
    readonly string _client;
    Script _script = null!;
    int _polled, _reconnects;

    Watchers(string client) => _client = client;

    /// <summary>done, failed, cancelled; or refused or closed, where somebody was sent away.</summary>
    public IReadOnlyDictionary<JobId, string> Ended => _ended;

    /// <summary>Those for whom the end came by the REST, the socket having been silent.</summary>
    public int Polled => _polled;

    public int Reconnects => _reconnects;

    public static async Task<Watchers> StartAsync(string root, string token)
    {
        var client = Directory.CreateTempSubdirectory("flatrender-client-").FullName;
        // Without a package.json above it, Node would take .js for CommonJS.
        await File.WriteAllTextAsync(Path.Combine(client, "package.json"), """{"type":"module"}""");
        using var tsc = Process.Start(new ProcessStartInfo("node", [Path.Combine(root, "tests/Sockets/node_modules/typescript/bin/tsc"), "-p", Path.Combine(root, "src/Contracts/typescript"), "--outDir", client]))!;
        await tsc.WaitForExitAsync();
        if (tsc.ExitCode != 0) throw new InvalidOperationException("The TypeScript client does not compile.");
        var watchers = new Watchers(client);
        watchers._script = await Script.StartAsync(root, "watchers.mjs", [client], watchers.Hear, new Dictionary<string, string> { ["TOKEN"] = token });
        return watchers;
    }

    public void Watch(JobId job, string url) => _script.Say($"{job} {url}");

    void Hear(JsonElement said)
    {
        if (said.GetProperty("polled").GetBoolean()) Interlocked.Increment(ref _polled);
        Interlocked.Add(ref _reconnects, said.GetProperty("lost").GetInt32());
        _ended[new JobId(said.GetProperty("job").GetGuid())] = said.GetProperty("how").GetString()!;
    }

    public async ValueTask DisposeAsync()
    {
        await _script.DisposeAsync();
        Directory.Delete(_client, recursive: true);
    }
}
