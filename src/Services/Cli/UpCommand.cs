using System.Text.Json;
using FlatRender.Contracts;

namespace FlatRender.Cli;

/// <summary>`flatrender up`: servers that stay. What runs is left alone, what died is started again.</summary>
public static class UpCommand
{
    const int DefaultPort = 7600;

    public static async Task<int> RunAsync(Workplace at, IReadOnlyList<string> args, CancellationToken stop)
    {
        var line = CommandLine.Parse(args, new("port", "N"), new("slots", "N"), new("database", "CONN")).Takes(0, 0, "");
        var port = line.Number("port", 0, 65535, DefaultPort);
        var slots = line.Number("slots", 1, 64, Environment.ProcessorCount);
        line.OrRefuse();
        var database = line.Value("database") ?? at.Variable("FLATRENDER_DATABASE");

        at.Home.Prepare();
        await using var held = await at.Home.LockAsync(at.Clock, stop);
        var was = RunNote.Read(at.Home);
        if (was is not null && Conflict(line, was, database) is { } conflict)
            throw Refusal.BadInput("ALREADY_UP", conflict);
        var wanted = was is null
            ? new Wanted(port, slots, database, Stays: true)
            : new Wanted(line.Has("port") || was.Url == "" ? port : new Uri(was.Url).Port, line.Has("slots") ? slots : was.Slots, was.Database, Stays: true);
        var servers = new Servers(at);
        var note = await servers.StartMissingAsync(was, wanted, leash: null, stop);
        at.Terminal.Note(servers.Seconds.Count == 0 || was is not null && was.Dead().Count == 0 ? "already up" : $"started {string.Join(", ", servers.Seconds.Keys)}");
        at.Terminal.Output.WriteLine($"up {note.Url}");
        return Exit.Ok;
    }

    /// <summary>What runs is not changed under the jobs that use it.</summary>
    static string? Conflict(CommandLine line, RunNote was, string? database)
    {
        if (was.Host is not { IsAlive: true })
            return null;
        if (line.Has("port") && line.Value("port") != "0" && new Uri(was.Url).Port.ToString(System.Globalization.CultureInfo.InvariantCulture) != line.Value("port"))
            return $"it runs at {was.Url} already: `flatrender down` first to change the port";
        if (line.Has("slots") && was.Node is { IsAlive: true } && line.Value("slots") != $"{was.Slots}")
            return $"it runs with {was.Slots} slots already: `flatrender down` first to change that";
        return database is not null && database != was.Database ? "it runs on another database already: `flatrender down` first to change that" : null;
    }
}

/// <summary>`flatrender down`: stops what `up` started.</summary>
public static class DownCommand
{
    public static Task<int> RunAsync(Workplace at, IReadOnlyList<string> args, CancellationToken stop) =>
        RunAsync(at, args, () => RunNote.Read(at.Home), note => new Servers(at).StopAsync(note), stop);

    /// <summary>Stops what a home's note says runs, if there is one.</summary>
    public static async Task<int> RunAsync<TNote>(Workplace at, IReadOnlyList<string> args, Func<TNote?> read, Func<TNote, Task> end, CancellationToken stop) where TNote : class
    {
        CommandLine.Parse(args).Takes(0, 0, "").OrRefuse();
        if (read() is null)
        {
            at.Terminal.Output.WriteLine("not up");
            return Exit.Ok;
        }
        await using var held = await at.Home.LockAsync(at.Clock, stop);
        // Somebody else may have been faster.
        if (read() is { } note)
            await end(note);
        at.Terminal.Output.WriteLine("down");
        return Exit.Ok;
    }
}

/// <summary>`flatrender status`: what runs. Exit 1 where something should and does not.</summary>
public static class StatusCommand
{
    public static async Task<int> RunAsync(Workplace at, IReadOnlyList<string> args, CancellationToken stop)
    {
        var line = CommandLine.Parse(args, new Option("json")).Takes(0, 0, "").OrRefuse();
        var note = RunNote.Read(at.Home);
        var ready = note is { Host.IsAlive: true } && await ReadyAsync(at, note, stop);
        var good = note is null || ready && note.Dead().Count == 0;
        if (line.Has("json"))
            at.Terminal.Output.WriteLine(JsonSerializer.Serialize(new
            {
                Up = note is not null,
                Ready = ready,
                note?.Url,
                note?.StartedAt,
                Parts = note?.Parts().ToDictionary(p => p.Part, p => new { p.Process?.Pid, Running = p.Process is { IsAlive: true } }),
            }, Wire.Json));
        else if (note is null)
            at.Terminal.Output.WriteLine("not up");
        else
            Report.Table(at.Terminal.Output, [.. note.Parts().Select(p => Row(at, p.Part, p.Process, p.Part == "host" ? ready ? note.Url : $"{note.Url} does not answer" : ""))]);
        return good ? Exit.Ok : Exit.Failed;
    }

    public static async Task<bool> ReadyAsync(Workplace at, RunNote note, CancellationToken stop)
    {
        using var api = new Api(note.Url, "", at.Clock);
        return await api.IsReadyAsync(stop);
    }

    static string[] Row(Workplace at, string part, ProcessMark? process, string more) =>
        process is { IsAlive: true } ? [part, "running", $"process {process.Pid}", more] : [part, "ENDED", $"log: {at.Home.Log(part)}", "`flatrender up` starts it again"];
}
