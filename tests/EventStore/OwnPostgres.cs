using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace FlatRender.EventStore.Tests;

/// <summary>A PostgreSQL of one test's own, which may be killed and started again. Gone when disposed.</summary>
sealed class OwnPostgres : IAsyncDisposable
{
    readonly string _home = Directory.CreateTempSubdirectory("flatrender-postgres-").FullName;
    readonly int _port = FreePort();
    readonly string _settings;

    OwnPostgres(bool durable) => _settings = $"-p {_port} -k {_home} -c listen_addresses=127.0.0.1 -c fsync={(durable ? "on" : "off")}";

    string Data => Path.Combine(_home, "data");
    public int Port => _port;
    public string ConnectionString => $"Host=127.0.0.1;Port={_port};Username=postgres;Database=postgres";

    /// <param name="durable">Whether commits wait for the disk.</param>
    public static async Task<OwnPostgres> StartAsync(bool durable = false)
    {
        var own = new OwnPostgres(durable);
        if (Environment.UserName == "root") await MustAsync("chown", ["postgres", own._home]);
        await MustAsync("initdb", ["-D", own.Data, "-U", "postgres", "--auth=trust", "-E", "UTF8", "--locale=C", "--no-sync"], asServer: true);
        await own.StartAgainAsync();
        return own;
    }

    public Task StartAgainAsync() => MustAsync("pg_ctl", ["-D", Data, "-o", _settings, "-l", Path.Combine(_home, "log"), "-w", "-t", "300", "start"], asServer: true);

    /// <summary>As when it is killed: nothing is written to the end, the next start recovers from the log.</summary>
    public Task KillAsync() => MustAsync("pg_ctl", ["-D", Data, "-m", "immediate", "-w", "-t", "300", "stop"], asServer: true);

    public static async Task MustAsync(string program, string[] arguments, string? password = null, bool asServer = false)
    {
        var (exit, error) = await RunAsync(program, arguments, password, asServer);
        exit.ShouldBe(0, $"{program}: {error}");
    }

    static async Task<(int Exit, string Error)> RunAsync(string program, string[] arguments, string? password, bool asServer)
    {
        var path = Directory.GetDirectories("/usr/lib/postgresql").Select(d => Path.Combine(d, "bin", program)).LastOrDefault(File.Exists) ?? program;
        // PostgreSQL's server refuses to run as root.
        var start = asServer && Environment.UserName == "root"
            ? new ProcessStartInfo("setpriv", ["--reuid=postgres", "--regid=postgres", "--clear-groups", path, .. arguments])
            : new ProcessStartInfo(path, arguments);
        start.RedirectStandardError = true;
        start.WorkingDirectory = "/";
        start.StandardErrorEncoding = System.Text.Encoding.UTF8;
        start.RedirectStandardOutput = true;
        if (password is not null) start.Environment["PGPASSWORD"] = password;
        using var run = System.Diagnostics.Process.Start(start)!;
        await run.WaitForExitAsync();
        // pg_ctl leaves the server its output: reading it to the end would wait for the server's.
        return (run.ExitCode, run.ExitCode == 0 ? "" : await run.StandardError.ReadToEndAsync());
    }

    static int FreePort()
    {
        using var free = new TcpListener(IPAddress.Loopback, 0);
        free.Start();
        return ((IPEndPoint)free.LocalEndpoint).Port;
    }

    public async ValueTask DisposeAsync()
    {
        await RunAsync("pg_ctl", ["-D", Data, "-m", "immediate", "-w", "-t", "300", "stop"], null, asServer: true);
        Directory.Delete(_home, recursive: true);
    }
}
