using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using FlatRender.Cli;
using FlatRender.Contracts;

namespace FlatRender.Bench;

/// <param name="Jobs">Small renders, <paramref name="AtOnce"/> of them at a time.</param>
/// <param name="Between">Between two kills, on average.</param>
/// <param name="Apart">Pieces that are done between two kills, at least: a machine that is slow for its own reasons is given no more of them than it can answer to.</param>
/// <param name="Cancels">Long renders that are cancelled in their middle, afterwards.</param>
sealed record KillPlan(int Seed, int Jobs, int AtOnce, int Agents, TimeSpan Between, int Apart, int Cancels)
{
    /// <summary>What is killed, in this order. Null: at random, until all is over.</summary>
    public IReadOnlyList<string>? Blows { get; init; }

    /// <summary>Of a render that gets on at all: longer is stuck.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromMinutes(6);
}

/// <summary>What came of it. Seconds, where nothing else is said.</summary>
/// <param name="Unjustified">Renders that failed without three crashes of their own.</param>
/// <param name="WithHostAway">The same for deaths during or shortly before an absence of the host: nobody was there to reassign.</param>
/// <param name="BilledLate">Cancelled renders whose bill grew after the cancellation was acknowledged and carried out.</param>
sealed record KillOutcome(
    int Jobs, int Done, int Failed, int Unjustified, IReadOnlyList<string> Stuck, int DifferentFilms, IReadOnlyDictionary<string, int> Kills, int Leases, IReadOnlyList<string> WrittenTwice,
    IReadOnlyList<double> Reassigned, IReadOnlyList<double> WithHostAway, int Samples, IReadOnlyList<string> Unexplained, IReadOnlyList<double> DispatchStopped, IReadOnlyList<double> ChildrenDead, int BilledLate);

/// <summary>Renders go on while agents, engines and the host are killed at random; then renders are cancelled. A seed makes the same choices again (the machine's own timing differs).</summary>
sealed class KillCampaign(KillPlan plan, KillYard yard)
{
    static readonly TimeProvider Clock = TimeProvider.System;
    readonly Random _random = new(plan.Seed);
    readonly ConcurrentDictionary<JobId, bool> _open = [];
    readonly List<string> _stuck = [], _unexplained = [];
    readonly List<(NodeId Node, DateTimeOffset At)> _deaths = [];
    readonly List<(DateTimeOffset From, DateTimeOffset To)> _absences = [];
    readonly Dictionary<string, int> _kills = new() { ["agent"] = 0, ["engine"] = 0, ["host"] = 0 };
    readonly CancellationTokenSource _over = new();
    int _samples;

    public async Task<KillOutcome> RunAsync()
    {
        var small = await TemplateAsync(SmallFilm.Of(64, 48, 30));
        var clean = await RenderAsync(small, "clean");
        var killing = KillAsync();
        var sampling = SampleAsync();
        using var lanes = new SemaphoreSlim(plan.AtOnce);
        var views = await Task.WhenAll(Enumerable.Range(0, plan.Jobs).Select(async n =>
        {
            await lanes.WaitAsync();
            try
            {
                return await RenderAsync(small, $"job {n}");
            }
            finally
            {
                lanes.Release();
            }
        }));
        await _over.CancelAsync();
        await Task.WhenAll(killing, sampling);
        var films = await FilmsAsync();
        var history = await PieceHistory.ReadAsync(yard.Database);
        var (quiet, away) = (new List<double>(), new List<double>());
        foreach (var (node, at) in _deaths) (_absences.Any(a => a.From < at + TimeSpan.FromSeconds(10) && a.To > at) ? away : quiet).AddRange(history.Reassigned(node, at));
        var (stopped, dead, late) = await CancelAsync();
        var failed = views.Where(v => v?.Step == Step.Failed).ToArray();
        return new(plan.Jobs, views.Count(v => v?.Step == Step.Done), failed.Length, failed.Count(v => v!.ErrorCode != "AE_REPEATED_CRASH" || history.Crashes(v.JobId) < 3), _stuck,
            films.Count(f => f.Value != films[clean!.JobId]), _kills, history.Leases, history.Violations(), quiet, away, _samples, _unexplained, stopped, dead, late);
    }

    async Task<TemplateId> TemplateAsync(string lottie) =>
        (await yard.Api.AddTemplateAsync(Encoding.UTF8.GetBytes($$$"""{"name":"small","lottie":{{{lottie}}}}"""), CancellationToken.None)).TemplateId;

    /// <summary>Submits until somebody takes it, and watches until it is over; null where it gets stuck.</summary>
    async Task<RenderView?> RenderAsync(TemplateId template, string what)
    {
        var key = Ids.New();
        var began = Clock.GetTimestamp();
        RenderView? view = null;
        while (Clock.GetElapsedTime(began) < plan.Patience)
        {
            try
            {
                view = view is null ? await yard.Api.SubmitAsync(new NewRender(template, null, null, null, null, null, null), key, CancellationToken.None) : await yard.Api.RenderAsync(view.JobId, CancellationToken.None);
                _open[view.JobId] = true;
                if (Step.IsTerminal(view.Step))
                {
                    _open.TryRemove(view.JobId, out _);
                    return view;
                }
            }
            catch (Exception e) when (e is HttpRequestException or IOException or TaskCanceledException or ApiRefusal { IsBadInput: false } or Refusal)
            {
                // The host is away, or says that something behind it is.
            }
            await PauseAsync(TimeSpan.FromMilliseconds(150));
        }
        lock (_stuck) _stuck.Add($"{what} {view?.JobId} {view?.Step} {view?.Reason}");
        return null;
    }

    async Task KillAsync()
    {
        var done = 0;
        foreach (var what in plan.Blows ?? AtRandom())
        {
            await PauseAsync(plan.Between * (0.5 + _random.NextDouble()));
            while (await PiecesDoneAsync() < done + plan.Apart || !CanStrike(what))
            {
                if (_over.IsCancellationRequested) return;
                await PauseAsync(TimeSpan.FromMilliseconds(50));
            }
            if (_over.IsCancellationRequested) return;
            await StrikeAsync(what);
            done = await PiecesDoneAsync();
        }
    }

    IEnumerable<string> AtRandom()
    {
        while (true) yield return _random.Next(20) switch { < 9 => "agent", < 17 => "engine", _ => "host" };
    }

    bool CanStrike(string what) => what switch { "agent" => yard.Agents.Count > 0, "engine" => yard.Engines().Count > 0, _ => true };

    async Task StrikeAsync(string what)
    {
        switch (what)
        {
            case "agent" when yard.Agents is { Count: > 0 } agents:
                var agent = agents[_random.Next(agents.Count)];
                var node = yard.NodeOf(agent);
                yard.KillAgent(agent);
                if (node is { } known) _deaths.Add((known, Clock.GetUtcNow()));
                // Sometimes it is back before anybody misses it, sometimes it is missed for long.
                await PauseAsync(TimeSpan.FromSeconds(_random.Next(3) * 3.5));
                yard.StartAgent(agent);
                break;
            case "engine" when yard.Engines() is { Count: > 0 } engines:
                KillYard.Kill(engines[_random.Next(engines.Count)]);
                break;
            case "host":
                var from = Clock.GetUtcNow();
                yard.KillHost();
                await yard.StartHostAsync();
                _absences.Add((from, Clock.GetUtcNow() + TimeSpan.FromSeconds(5)));
                break;
            default:
                // It ended by itself meanwhile.
                return;
        }
        _kills[what]++;
    }

    async Task<int> PiecesDoneAsync()
    {
        await using var command = yard.Database.CreateCommand("SELECT count(*)::int FROM eventstore.mt_events WHERE type = 'render.chunk.completed.v1'");
        return (int)(await command.ExecuteScalarAsync())!;
    }

    /// <summary>Looks at every render that is not over, and notes each that cannot be explained.</summary>
    async Task SampleAsync()
    {
        while (!_over.IsCancellationRequested)
        {
            foreach (var job in _open.Keys)
            {
                try
                {
                    var told = await yard.Api.WaitingAsync(job, CancellationToken.None);
                    _samples++;
                    if (told.Reasons.Count == 0) lock (_unexplained) _unexplained.Add($"{job}: {JsonSerializer.Serialize(told, Wire.Json)}");
                }
                catch (Exception e) when (e is HttpRequestException or IOException or TaskCanceledException or ApiRefusal or Refusal)
                {
                    // Nobody is there to explain: the host was killed, or is not up again.
                }
            }
            await PauseAsync(TimeSpan.FromMilliseconds(250));
        }
    }

    async Task<(List<double> Stopped, List<double> Dead, int BilledLate)> CancelAsync()
    {
        var (stopped, dead, late) = (new List<double>(), new List<double>(), 0);
        if (plan.Cancels == 0) return (stopped, dead, late);
        for (var agent = 0; agent < plan.Agents; agent++) if (!yard.Agents.Contains(agent)) yard.StartAgent(agent);
        var large = await TemplateAsync(SmallFilm.Of(1280, 720, 1500));
        for (var i = 0; i < plan.Cancels; i++)
        {
            var job = (await yard.Api.SubmitAsync(new NewRender(large, null, null, null, null, null, null), Ids.New(), CancellationToken.None)).JobId;
            await UntilAsync(async () => (await yard.Api.RenderAsync(job, CancellationToken.None)).CurrentFrame > 0 && yard.Engines().Count > 0);
            await PauseAsync(TimeSpan.FromMilliseconds(_random.Next(800)));
            var drawing = yard.Engines();
            await yard.Api.TellAsync(job, "cancel", "no longer wanted", CancellationToken.None);
            var (acknowledged, since) = (Clock.GetUtcNow(), Clock.GetTimestamp());
            await UntilAsync(() => Task.FromResult(!drawing.Any(Kin.Lives)));
            dead.Add(Clock.GetElapsedTime(since).TotalSeconds);
            var bill = await BillAsync(job);
            await PauseAsync(TimeSpan.FromSeconds(2));
            if (await BillAsync(job) != bill) late++;
            stopped.Add(Math.Max(0, ((await PieceHistory.ReadAsync(yard.Database)).LastLease(job)!.Value - acknowledged).TotalSeconds));
        }
        return (stopped, dead, late);
    }

    async Task<string> BillAsync(JobId job)
    {
        await using var command = yard.Database.CreateCommand("SELECT spent::text FROM render.jobs WHERE job_id = $1");
        command.Parameters.Add(new() { Value = job.Value });
        return (string)(await command.ExecuteScalarAsync())!;
    }

    /// <summary>The digest of each delivered film: the same template makes the same bytes, whatever was killed.</summary>
    async Task<Dictionary<JobId, string>> FilmsAsync()
    {
        await using var command = yard.Database.CreateCommand("SELECT stream_id, data->'film'->>'digest' FROM eventstore.mt_events WHERE type = 'render.job.done.v1'");
        await using var rows = await command.ExecuteReaderAsync();
        var films = new Dictionary<JobId, string>();
        while (await rows.ReadAsync()) films.Add(new JobId(rows.GetGuid(0)), rows.GetString(1));
        return films;
    }

    async Task UntilAsync(Func<Task<bool>> seen)
    {
        for (var began = Clock.GetTimestamp(); !await seen(); await PauseAsync(TimeSpan.FromMilliseconds(20)))
            if (Clock.GetElapsedTime(began) > plan.Patience) throw new TimeoutException("A render to be cancelled did not get on.");
    }

    static Task PauseAsync(TimeSpan time) => Task.Delay(time, Clock, CancellationToken.None);
}
