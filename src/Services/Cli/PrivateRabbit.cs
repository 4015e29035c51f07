using System.Globalization;

namespace FlatRender.Cli;

/// <summary>A RabbitMQ of our own for tests: no root, no service, own cookie, ports and folders; gone afterwards.</summary>
public sealed class PrivateRabbit(Home home, TimeProvider clock)
{
    const string Folder = "/usr/lib/rabbitmq/bin";

    public static bool Installed => File.Exists($"{Folder}/rabbitmq-server");

    /// <returns>What to stop, in this order, and the address.</returns>
    public async Task<(IReadOnlyList<ProcessMark> Processes, string Url)> StartAsync(Leash leash, CancellationToken stop)
    {
        if (!Installed)
            throw Refusal.BadInput("NO_RABBITMQ", "there is no RabbitMQ: install the package `rabbitmq-server`");
        var folder = Path.Combine(home.Folder, "test-rabbit");
        if (Directory.Exists(folder))
            Directory.Delete(folder, recursive: true);
        foreach (var part in new[] { "mnesia", "log" })
            Directory.CreateDirectory(Path.Combine(folder, part));
        await File.WriteAllTextAsync(Path.Combine(folder, "empty"), "", stop);
        // Ports above 32767 are handed out to clients by the kernel: a fixed one there may be taken at any moment.
        var (port, distribution, names) = (LowPort(0), LowPort(1), LowPort(2));
        await File.WriteAllTextAsync(Path.Combine(folder, "rabbitmq.conf"), $"listeners.tcp.local = 127.0.0.1:{port}\ndisk_free_limit.absolute = 50MB\n", stop);
        var environment = new Dictionary<string, string>
        {
            ["HOME"] = folder,
            ["ERL_EPMD_PORT"] = Text(names),
            ["ERL_EPMD_ADDRESS"] = "127.0.0.1",
            ["RABBITMQ_CONF_ENV_FILE"] = Path.Combine(folder, "empty"),
            ["RABBITMQ_CONFIG_FILE"] = Path.Combine(folder, "rabbitmq.conf"),
            ["RABBITMQ_NODENAME"] = $"flatrender-{Environment.ProcessId}@localhost",
            ["RABBITMQ_NODE_PORT"] = Text(port),
            ["RABBITMQ_DIST_PORT"] = Text(distribution),
            ["RABBITMQ_MNESIA_BASE"] = Path.Combine(folder, "mnesia"),
            ["RABBITMQ_LOG_BASE"] = Path.Combine(folder, "log"),
            ["RABBITMQ_LOGS"] = "-",
            ["RABBITMQ_ENABLED_PLUGINS_FILE"] = Path.Combine(folder, "empty-plugins"),
            ["RABBITMQ_PID_FILE"] = Path.Combine(folder, "pid"),
        };
        await File.WriteAllTextAsync(Path.Combine(folder, "empty-plugins"), "[].\n", stop);
        var log = new ServerLog(home.Log("test-rabbit"));
        // Started by us in the foreground, epmd is ours to stop; started by Erlang it would stay behind.
        var epmd = Programs.StartServer(["epmd", "-port", Text(names), "-address", "127.0.0.1"], log, environment);
        leash.Hold(epmd, Signals.Terminate);
        var rabbit = Programs.StartServer([$"{Folder}/rabbitmq-server"], log, environment);
        leash.Hold(rabbit, Signals.Terminate);
        try
        {
            while (!log.Lines().Any(l => l.Contains("Server startup complete", StringComparison.Ordinal)))
            {
                if (!rabbit.IsAlive)
                    throw Refusal.Failed("RABBITMQ_NOT_STARTED", $"RabbitMQ did not start: {log.LastWords} (log: {log.Path})");
                await Task.Delay(TimeSpan.FromMilliseconds(50), clock, stop);
            }
        }
        catch
        {
            await StopAsync([rabbit, epmd], clock);
            throw;
        }
        return ([rabbit, epmd], $"amqp://guest:guest@127.0.0.1:{port}/");
    }

    public static async Task StopAsync(IReadOnlyList<ProcessMark> processes, TimeProvider clock)
    {
        foreach (var process in processes)
            await process.StopAsync(Signals.Terminate, TimeSpan.FromSeconds(15), clock);
    }

    static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    /// <summary>The n-th port from a place of this process that nobody listens on.</summary>
    static int LowPort(int n)
    {
        for (var port = 10_000 + Environment.ProcessId * 7 % 15_000 + n * 2_000; ; port++)
            if (Ports.IsFree(port))
                return port;
    }
}
