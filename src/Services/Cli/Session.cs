namespace FlatRender.Cli;

/// <summary>One command's use of the servers: those of `up`, those another render started, or its own. The last one out stops what nobody asked to stay.</summary>
public sealed class Session : IAsyncDisposable
{
    readonly Workplace _at;
    readonly Leash? _leash;
    readonly RunNote? _note;

    Session(Workplace at, Api api, RunNote? note, Leash? leash, IReadOnlyDictionary<string, double> startSeconds)
    {
        _at = at;
        Api = api;
        _note = note;
        _leash = leash;
        StartSeconds = startSeconds;
    }

    public Api Api { get; }

    /// <summary>True where the servers were started for this command.</summary>
    public bool StartedHere => StartSeconds.Count > 0;

    /// <summary>Seconds of each start; empty where all ran already.</summary>
    public IReadOnlyDictionary<string, double> StartSeconds { get; }

    public static async Task<Session> OpenAsync(Workplace at, Wanted wanted, CancellationToken stop)
    {
        if (at.Variable("FLATRENDER_URL") is { Length: > 0 } url)
            return new(at, new Api(url, at.Variable("FLATRENDER_API_TOKEN") ?? "", at.Clock), null, null, new Dictionary<string, double>());

        at.Home.Prepare();
        await using var held = await at.Home.LockAsync(at.Clock, stop);
        var token = Secrets.Of(at.Home).ApiToken;
        var running = RunNote.Read(at.Home);
        if (running is { Host.IsAlive: true } && (!wanted.Node || running.Node is { IsAlive: true }) && await AnswersAsync(at, running, token, stop))
        {
            Users.Enter(at.Home);
            return new(at, new Api(running.Url, token, at.Clock), running, null, new Dictionary<string, double>());
        }

        var others = Users.Others(at.Home);
        if (running is not null && !running.Stays && others == 0)
        {
            // Left by a render that was killed: nobody wants it.
            await new Servers(at).StopAsync(running);
            running = null;
        }
        if (wanted.Node)
            at.Terminal.Note("starting");
        var leash = new Leash();
        var servers = new Servers(at);
        try
        {
            var stays = running is { Stays: true };
            var note = await servers.StartMissingAsync(running, running is null ? wanted with { Stays = false } : wanted with { Stays = stays, Database = running.Database, Slots = running.Slots }, stays ? null : leash, stop);
            Users.Enter(at.Home);
            return new(at, new Api(note.Url, token, at.Clock), note, leash, servers.Seconds);
        }
        catch
        {
            leash.Dispose();
            throw;
        }
    }

    static async Task<bool> AnswersAsync(Workplace at, RunNote running, string token, CancellationToken stop)
    {
        using var api = new Api(running.Url, token, at.Clock);
        return await api.IsReadyAsync(stop);
    }

    /// <summary>A sentence about a server that has ended, or null while all live.</summary>
    public string? WhatDied()
    {
        if (_note is null)
            return null;
        foreach (var (part, process) in _note.Parts())
            if (process is { IsAlive: false })
                return $"the {(part == "postgres" ? "database" : part == "node" ? "render node" : part)} has ended (process {process.Pid}, log: {_at.Home.Log(part)})";
        return null;
    }

    public async ValueTask DisposeAsync()
    {
        Api.Dispose();
        if (_note is null)
            return;
        try
        {
            await using var held = await _at.Home.LockAsync(_at.Clock, CancellationToken.None);
            Users.Leave(_at.Home);
            if (Users.Others(_at.Home) == 0 && RunNote.Read(_at.Home) is { Stays: false } note)
                await new Servers(_at).StopAsync(note);
        }
        finally
        {
            _leash?.Dispose();
        }
    }
}
