using System.Text.Json;
using FlatRender.Contracts;

namespace FlatRender.Cli;

/// <summary>What runs for this home, as noted in run.json (readable by its owner only: a given connection string may hold a password).</summary>
/// <param name="Stays">True after `up`: the servers stay until `down`. False: they end with the last render that uses them.</param>
/// <param name="Database">The connection string that was given; null for the private PostgreSQL.</param>
public sealed record RunNote(bool Stays, string Url, string? Database, int Slots, ProcessMark? Postgres, ProcessMark? Host, ProcessMark? Node, DateTimeOffset StartedAt)
{
    public static RunNote? Read(Home home)
    {
        try
        {
            return JsonSerializer.Deserialize<RunNote>(File.ReadAllText(home.RunNote), Wire.Json);
        }
        catch (Exception e) when (e is IOException or JsonException)
        {
            return null;
        }
    }

    public void Write(Home home) => Private.Write(home.RunNote, JsonSerializer.Serialize(this, Wire.Json));

    public static void Forget(Home home) => File.Delete(home.RunNote);

    /// <summary>Every part with its process, in the order of starting; a part that is not ours to run is left out.</summary>
    public IEnumerable<(string Part, ProcessMark? Process)> Parts()
    {
        if (Database is null)
            yield return ("postgres", Postgres);
        yield return ("host", Host);
        yield return ("node", Node);
    }

    public IReadOnlyList<string> Dead() => [.. Parts().Where(p => p.Process is not { IsAlive: true }).Select(p => p.Part)];
}

/// <summary>Which commands use the servers right now, one small file each, so that the last one out stops them.</summary>
public static class Users
{
    public static void Enter(Home home) => File.WriteAllText(PathOf(home, Environment.ProcessId), Started(Environment.ProcessId));

    public static void Leave(Home home) => File.Delete(PathOf(home, Environment.ProcessId));

    /// <summary>Other living commands; notes of dead ones are removed.</summary>
    public static int Others(Home home)
    {
        var others = 0;
        foreach (var file in Directory.GetFiles(home.Users))
            if (!int.TryParse(Path.GetFileName(file), out var pid) || Started(pid) is "" || File.ReadAllText(file) != Started(pid))
                File.Delete(file);
            else if (pid != Environment.ProcessId)
                others++;
        return others;
    }

    static string PathOf(Home home, int pid) => Path.Combine(home.Users, $"{pid}");

    static string Started(int pid) => ProcessMark.Of(pid) is { } mark ? $"{mark.Started}" : "";
}
