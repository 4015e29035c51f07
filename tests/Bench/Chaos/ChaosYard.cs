using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Json;
using FlatRender.Cli;
using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.TestKit;
using Npgsql;

namespace FlatRender.Bench;

/// <summary>A cluster of one's own (<c>flatrender cluster up</c>) with a cable between each server process and its broker and database, so that anything of it can be struck; and what starts again what has ended.</summary>
sealed class ChaosYard : IAsyncDisposable
{
    const int Quit = 3, KillNow = 9, Continue = 18, Stop = 19;
    static readonly TimeProvider Clock = TimeProvider.System;

    /// <summary>Whoever is not back by then does not come back by himself.</summary>
    static readonly TimeSpan LongEnough = TimeSpan.FromMinutes(3);

    readonly Workplace _at;
    readonly string _folder;
    readonly Dictionary<string, Cable> _database = [];
    readonly Dictionary<string, Cable[]> _brokers = [];
    readonly SemaphoreSlim _starting = new(1);
    /// <summary>Processes whose end is explained.</summary>
    readonly ConcurrentDictionary<ProcessMark, bool> _struck = [];
    readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(3) };
    readonly List<string> _died = [];
    Cluster _cluster = null!;
    ClusterNote _note = null!;

    ChaosYard(Workplace at, string folder) => (_at, _folder) = (at, folder);

    public string Root => _at.Root;
    public FlatRender.Cli.Secrets Secrets => FlatRender.Cli.Secrets.Of(_at.Home);

    /// <summary>Straight to the database, past every cable.</summary>
    public NpgsqlDataSource Database { get; private set; } = null!;

    /// <summary>A door for each gateway.</summary>
    public IReadOnlyList<Api> Gateways { get; private set; } = [];

    /// <summary>The foreign subscriber's own way to the broker.</summary>
    public Cable Reader { get; private set; } = null!;

    /// <summary>Processes that ended though nobody struck them, and their last words.</summary>
    public IReadOnlyList<string> Died => _died;

    public static async Task<ChaosYard> OpenAsync(ClusterPlan plan, CancellationToken stop)
    {
        var folder = Directory.CreateTempSubdirectory("flatrender-chaos-").FullName;
        // The database runs as a user of its own, who must be able to come in.
        File.SetUnixFileMode(folder, (UnixFileMode)0b111_101_101);
        var yard = new ChaosYard(Workplace.Here() with { Home = new Home(Path.Combine(folder, "home")), Folder = folder, Variable = _ => null }, folder);
        try
        {
            yard._at.Home.Prepare();
            yard._note = ClusterNote.New(plan, yard._at.Home, Clock.GetUtcNow());
            foreach (var part in yard.Hosts)
            {
                yard._database[part.Name] = new Cable($"tcp://127.0.0.1:{yard._note[ClusterPart.Database].Port}");
                yard._brokers[part.Name] = [.. yard._note.Nodes.Select(n => new Cable(n.Url))];
            }
            yard.Reader = new Cable(yard._note.Nodes[^1].Url);
            yard._cluster = new Cluster(yard._at, part => new Way(yard._database[part].Port, [.. yard._brokers[part].Select(c => c.Port)]));
            yard._note = await yard._cluster.StartMissingAsync(yard._note, stop);
            yard.Database = NpgsqlDataSource.Create(PrivatePostgres.ConnectionString(yard._note[ClusterPart.Database].Port, yard.Secrets.DatabasePassword) + ";Maximum Pool Size=6");
            yard.Gateways = [.. yard._note.Of(ClusterPart.Gateway).Select(g => new Api(g.Url, yard.Secrets.ApiToken, Clock))];
            return yard;
        }
        catch
        {
            await yard.DisposeAsync();
            throw;
        }
    }

    IEnumerable<ClusterPart> Hosts => _note.Parts.Where(p => p.Kind is ClusterPart.Render or ClusterPart.Gateway);

    /// <summary>Returns when the harm is done and over: what was killed may be started again, what was frozen goes on.</summary>
    /// <returns>What it struck.</returns>
    public async Task<string> StrikeAsync(Blow blow, Random random, CancellationToken stop)
    {
        // Everything is drawn first, so that a seed makes the same choices whatever the machine's timing.
        var (pick, seconds) = (random.NextDouble(), 0.5 + random.NextDouble() * 10);
        var part = blow.Target switch
        {
            "leader" => await LeaderAsync(stop) ?? One(ClusterPart.Render),
            "reader" => null,
            var kind => One(kind),
        };
        ClusterPart One(string kind) => _note.Of(kind).ElementAt((int)(pick * _note.Of(kind).Count()));
        switch (blow.How)
        {
            case "kill" when part!.Kind == ClusterPart.Database:
                // All of it at once, as in a crash of the machine: what was not on disk is gone.
                await EndAsync(part, Quit);
                break;
            case "kill":
                await EndAsync(part!, KillNow);
                break;
            case "crash":
                if (await BackendAsync(stop) is { } backend) Kin.Send(backend, KillNow);
                break;
            case "freeze":
                var frozen = Kin.Of([part!.Process?.Pid ?? 0]);
                foreach (var pid in frozen) Kin.Send(pid, Stop);
                await Task.Delay(TimeSpan.FromSeconds(seconds), Clock, CancellationToken.None);
                foreach (var pid in frozen) Kin.Send(pid, Continue);
                break;
            case "cut_broker":
                foreach (var cable in _brokers[part!.Name]) cable.Cut();
                break;
            case "cut_database":
                _database[part!.Name].Cut();
                break;
            case "cut":
                Reader.Cut();
                break;
            default:
                throw new ArgumentException($"Nobody knows how to do {blow.Name}.");
        }
        return part?.Name ?? blow.Target;
    }

    /// <summary>Starts what has ended, as often as it takes, until every server says that it is ready and every agent calls home.</summary>
    /// <returns>Whether that came about in good time, and who was waited for last, as he explained himself.</returns>
    public async Task<(bool Whole, string Last)> RecoverAsync(CancellationToken stop)
    {
        var (since, last) = (Clock.GetUtcNow(), "nobody");
        while (Clock.GetUtcNow() - since < LongEnough)
        {
            await StartAsync(stop);
            if (await AbsentAsync(since, stop) is not { } absent) return (true, last);
            last = absent;
            await Task.Delay(TimeSpan.FromMilliseconds(100), Clock, stop);
        }
        return (false, last);
    }

    async Task StartAsync(CancellationToken stop)
    {
        await _starting.WaitAsync(stop);
        try
        {
            foreach (var part in _note.Parts.Where(p => p.Process is { IsAlive: false } process && _struck.TryAdd(process, true)))
                _died.Add($"{part.Name} ended by itself: {new string([.. File.ReadLines(_at.Home.Log(LogOf(part))).TakeLast(12).SelectMany(l => "\n    " + l)])}");
            if (_note.Parts.Any(p => !p.IsAlive)) _note = await _cluster.StartMissingAsync(_note, stop);
        }
        catch (Refusal)
        {
            // Something it needs was struck meanwhile: it is tried again.
            _note = ClusterNote.Read(_at.Home)!;
            foreach (var part in _note.Parts.Where(p => p.Process is { IsAlive: false })) _struck[part.Process!] = true;
        }
        finally
        {
            _starting.Release();
        }
    }

    static string LogOf(ClusterPart part) => part.Kind switch { ClusterPart.Database => "postgres", ClusterPart.Names => "epmd", _ => part.Name };

    async Task<string?> AbsentAsync(DateTimeOffset since, CancellationToken stop)
    {
        foreach (var host in Hosts)
        {
            try
            {
                using var answer = await _http.GetAsync(host.Url + "/health/ready", stop);
                if (answer.StatusCode != HttpStatusCode.OK) return $"{host.Name}: {(await answer.Content.ReadFromJsonAsync<ErrorEnvelope>(Wire.Json, stop))!.Error.Message}";
            }
            catch (Exception e) when (IsAway(e, stop))
            {
                return $"{host.Name}: {e.Message}";
            }
        }
        return await TryAsync("SELECT count(*) FROM render.nodes WHERE state = 'ready' AND last_seen >= $1", stop, since) is long ready && ready >= _note.Of(ClusterPart.Agent).Count() ? null : "an agent that has not called home";
    }

    /// <summary>Somebody is away, or says that something behind him is.</summary>
    public static bool IsAway(Exception e, CancellationToken stop) => !stop.IsCancellationRequested && e is HttpRequestException or IOException or TaskCanceledException or ApiRefusal { IsBadInput: false } or Refusal;

    async Task EndAsync(ClusterPart part, int signal)
    {
        if (part.Process is not { IsAlive: true } process) return;
        _struck[process] = true;
        // A broker is a shell with the server beneath it; an agent's engines see by themselves that it is gone.
        foreach (var pid in part.Kind == ClusterPart.Broker ? Kin.Of([process.Pid]) : [process.Pid]) Kin.Send(pid, signal);
        while (process.IsAlive) await Task.Delay(TimeSpan.FromMilliseconds(10), Clock, CancellationToken.None);
    }

    /// <summary>The process that leads the relay now: the one whose cable the lock's connection goes through.</summary>
    async Task<ClusterPart?> LeaderAsync(CancellationToken stop)
    {
        var port = await TryAsync("SELECT a.client_port FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND (l.classid::bigint << 32) | l.objid::bigint = $1 LIMIT 1",
            stop, Leadership.KeyOf("eventstore", "relay"));
        return port is int p ? Hosts.FirstOrDefault(h => _database[h.Name].Carries(p)) : null;
    }

    async Task<int?> BackendAsync(CancellationToken stop) =>
        await TryAsync("SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY pid LIMIT 1", stop) as int?;

    async Task<object?> TryAsync(string sql, CancellationToken stop, params object[] values)
    {
        try
        {
            await using var command = Database.CreateCommand(sql);
            foreach (var value in values) command.Parameters.Add(new() { Value = value });
            return await command.ExecuteScalarAsync(stop);
        }
        catch (NpgsqlException)
        {
            return null;
        }
    }

    public async Task<CreditsView> CreditsAsync(CancellationToken stop)
    {
        using var ask = new HttpRequestMessage(HttpMethod.Get, Gateways[0].Url + "/v1/credits") { Headers = { Authorization = new("Bearer", Secrets.ApiToken) } };
        using var answer = await _http.SendAsync(ask, stop);
        return (await answer.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<CreditsView>(Wire.Json, stop))!;
    }

    /// <summary>Runs <c>flatrender audit verify</c> on it.</summary>
    public Task<Ran> VerifyAsync(CancellationToken stop) => Programs.RunAsync(["dotnet", _at.HostDll, "audit", "verify"], stop, _cluster.Variables(_note));

    /// <summary>Leaves the logs where somebody can read them.</summary>
    /// <returns>The folder.</returns>
    public string KeepLogs()
    {
        var kept = Directory.CreateTempSubdirectory("flatrender-chaos-logs-").FullName;
        foreach (var log in Directory.GetFiles(_at.Home.Logs)) File.Copy(log, Path.Combine(kept, Path.GetFileName(log)));
        return kept;
    }

    public async ValueTask DisposeAsync()
    {
        if (_cluster is not null) await _cluster.StopAsync(_note);
        foreach (var cable in _database.Values.Concat(_brokers.Values.SelectMany(c => c)).Append(Reader)) if (cable is not null) await cable.DisposeAsync();
        foreach (var api in Gateways) api.Dispose();
        if (Database is not null) await Database.DisposeAsync();
        _http.Dispose();
        _starting.Dispose();
        Directory.Delete(_folder, recursive: true);
    }
}
