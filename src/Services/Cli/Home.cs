using System.Security.Cryptography;
using System.Text.Json;
using FlatRender.Contracts;

namespace FlatRender.Cli;

/// <summary>The folder that holds all data of one installation: database, files, logs, secrets, the note of what runs.</summary>
public sealed record Home(string Folder)
{
    public string Logs => Path.Combine(Folder, "logs");
    public string Node => Path.Combine(Folder, "node");
    public string RunNote => Path.Combine(Folder, "run.json");
    /// <summary>Where the seconds of the last render went; `doctor` shows it.</summary>
    public string LastTiming => Path.Combine(Folder, "last-timing.json");
    public string Users => Path.Combine(Folder, "users");
    public string Log(string of) => Path.Combine(Logs, of + ".log");

    /// <exception cref="Refusal">The folder cannot be made or written.</exception>
    public void Prepare()
    {
        try
        {
            Directory.CreateDirectory(Folder);
            Directory.CreateDirectory(Logs, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            Directory.CreateDirectory(Users);
            Directory.CreateDirectory(Node);
            var probe = Path.Combine(Folder, $".probe-{Environment.ProcessId}");
            File.WriteAllText(probe, "x");
            File.Delete(probe);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Refusal.BadInput("HOME_UNWRITABLE", $"the data folder {Folder} cannot be written: {e.Message}");
        }
    }

    /// <summary>Bytes left on the home's disk.</summary>
    public long FreeBytes()
    {
        var at = new DirectoryInfo(Folder);
        while (!at.Exists && at.Parent is { } parent)
            at = parent;
        return new DriveInfo(at.FullName).AvailableFreeSpace;
    }

    /// <summary>Held while servers of this home are started or stopped, so that two commands do not do it at once.</summary>
    public async Task<FileStream> LockAsync(TimeProvider clock, CancellationToken stop)
    {
        while (true)
        {
            try
            {
                return new FileStream(Path.Combine(Folder, "run.lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException e) when (e.HResult == EWouldBlock)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(30), clock, stop);
            }
        }
    }

    const int EWouldBlock = 11;
}

/// <summary>Made once for a home, readable by its owner only, handed to servers by environment and never on a command line.</summary>
public sealed record Secrets(string ApiToken, string NodeToken, string OrchestratorSecret, string DatabasePassword)
{
    public static Secrets Of(Home home)
    {
        var path = Path.Combine(home.Folder, "secrets.json");
        if (File.Exists(path))
            return JsonSerializer.Deserialize<Secrets>(File.ReadAllText(path), Wire.Json)!;
        var made = new Secrets(Word(), Word(), Word(), Word());
        Private.Write(path, JsonSerializer.Serialize(made, Wire.Json));
        return made;
    }

    static string Word() => Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32));
}

/// <summary>Files that only their owner may read.</summary>
public static class Private
{
    /// <summary>Replaces the file in one step: a reader sees the old or the new one, whole.</summary>
    public static void Write(string path, string text)
    {
        var fresh = $"{path}.{Environment.ProcessId}";
        File.Delete(fresh);
        using (var file = new FileStream(fresh, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite }))
        using (var writer = new StreamWriter(file))
            writer.Write(text);
        File.Move(fresh, path, overwrite: true);
    }
}
