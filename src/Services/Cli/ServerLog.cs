namespace FlatRender.Cli;

/// <summary>A log that outlives the runs that write it: rolled when large, and read from where this run begins.</summary>
public sealed class ServerLog
{
    readonly long _from;

    public ServerLog(string path)
    {
        Path = path;
        if (File.Exists(path) && new FileInfo(path).Length > 10_000_000)
            File.Move(path, path + ".1", overwrite: true);
        _from = File.Exists(path) ? new FileInfo(path).Length : 0;
    }

    public string Path { get; }

    /// <summary>Whole lines of this run so far.</summary>
    public IReadOnlyList<string> Lines()
    {
        if (!File.Exists(Path))
            return [];
        using var file = new FileStream(Path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        file.Position = Math.Min(_from, file.Length);
        using var reader = new StreamReader(file);
        var text = reader.ReadToEnd();
        return text[..(text.LastIndexOf('\n') + 1)].Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    public bool DiskWasFull => Lines().Any(l => l.Contains("No space left", StringComparison.Ordinal));

    /// <summary>The last line that is no stack trace.</summary>
    public string LastWords => Lines().LastOrDefault(l => !l.StartsWith("   at ", StringComparison.Ordinal))?.Trim() ?? "it said nothing";
}
