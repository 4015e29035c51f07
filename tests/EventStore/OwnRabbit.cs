using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace FlatRender.EventStore.Tests;

/// <summary>A RabbitMQ of one test's own, which may be killed and started again on what it had on disk. Gone when disposed.</summary>
sealed class OwnRabbit : IAsyncDisposable
{
    readonly string _home = Directory.CreateTempSubdirectory("flatrender-rabbit-").FullName;
    readonly int _port = LowPort(0), _distribution = LowPort(1), _names = LowPort(2);
    readonly System.Diagnostics.Process _epmd;
    System.Diagnostics.Process _rabbit = null!;

    OwnRabbit()
    {
        foreach (var folder in new[] { "mnesia", "log" }) Directory.CreateDirectory(Path.Combine(_home, folder));
        File.WriteAllText(Path.Combine(_home, "empty"), "");
        File.WriteAllText(Path.Combine(_home, "plugins"), "[].\n");
        File.WriteAllText(Path.Combine(_home, "rabbitmq.conf"), $"listeners.tcp.local = 127.0.0.1:{_port}\ndisk_free_limit.absolute = 50MB\n");
        // Started by Erlang it would stay behind.
        _epmd = Start("epmd", "-port", $"{_names}", "-address", "127.0.0.1");
    }

    public string Address => $"amqp://guest:guest@127.0.0.1:{_port}/";

    public static async Task<OwnRabbit> StartAsync()
    {
        var own = new OwnRabbit();
        try
        {
            await own.StartAgainAsync();
            return own;
        }
        catch
        {
            await own.DisposeAsync();
            throw;
        }
    }

    public async Task StartAgainAsync()
    {
        _rabbit = Start("/usr/lib/rabbitmq/bin/rabbitmq-server");
        while (await _rabbit.StandardOutput.ReadLineAsync() is { } line)
            if (line.Contains("Server startup complete", StringComparison.Ordinal))
            {
                // Read on, or it stops when the pipe is full.
                _ = _rabbit.StandardOutput.BaseStream.CopyToAsync(Stream.Null);
                return;
            }
        throw new InvalidOperationException("RabbitMQ did not start: " + await _rabbit.StandardError.ReadToEndAsync());
    }

    /// <summary>With SIGKILL: what it has not written down is gone.</summary>
    public async Task KillAsync()
    {
        _rabbit.Kill(entireProcessTree: true);
        await _rabbit.WaitForExitAsync();
    }

    System.Diagnostics.Process Start(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = "/" };
        foreach (var (name, value) in new Dictionary<string, string>
        {
            ["HOME"] = _home,
            ["ERL_EPMD_PORT"] = $"{_names}",
            ["ERL_EPMD_ADDRESS"] = "127.0.0.1",
            ["RABBITMQ_CONF_ENV_FILE"] = Path.Combine(_home, "empty"),
            ["RABBITMQ_CONFIG_FILE"] = Path.Combine(_home, "rabbitmq.conf"),
            ["RABBITMQ_NODENAME"] = $"own-{_port}@localhost",
            ["RABBITMQ_NODE_PORT"] = $"{_port}",
            ["RABBITMQ_DIST_PORT"] = $"{_distribution}",
            ["RABBITMQ_MNESIA_BASE"] = Path.Combine(_home, "mnesia"),
            ["RABBITMQ_LOG_BASE"] = Path.Combine(_home, "log"),
            ["RABBITMQ_LOGS"] = "-",
            ["RABBITMQ_ENABLED_PLUGINS_FILE"] = Path.Combine(_home, "plugins"),
            ["RABBITMQ_PID_FILE"] = Path.Combine(_home, "pid"),
        }) start.Environment[name] = value;
        return System.Diagnostics.Process.Start(start)!;
    }

    // Ports above 32767 are handed out to clients by the kernel: a fixed one there may be taken at any moment.
    static int LowPort(int n)
    {
        for (var port = 12_000 + Environment.ProcessId * 7 % 15_000 + n * 1_500; ; port++)
            try
            {
                using var free = new TcpListener(IPAddress.Loopback, port);
                free.Start();
                return port;
            }
            catch (SocketException)
            {
                // Taken: the next.
            }
    }

    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        _epmd.Kill();
        await _epmd.WaitForExitAsync();
        _epmd.Dispose();
        Directory.Delete(_home, recursive: true);
    }
}
