using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using FlatRender.Cli;
using FlatRender.Contracts;
using Npgsql;

namespace FlatRender.Bench;

/// <summary>What came of it; each list holds a sentence for each thing that is not as it must be.</summary>
/// <param name="Lost">Accepted, and not in the store.</param>
/// <param name="Stuck">Not at an end in time, or not taken at all.</param>
/// <param name="Unjustified">Failed, or cancelled though nobody asked.</param>
/// <param name="Unreached">Watchers who were not told the end, or another than it was.</param>
/// <param name="Recoveries">By the blow's name: seconds from its end until every process was ready and a fact stored after that had reached the foreign subscriber.</param>
sealed record ChaosOutcome(
    int Jobs, int Done, int Failed, int Cancelled, IReadOnlyList<string> Lost, IReadOnlyList<string> Stuck, IReadOnlyList<string> Unjustified, IReadOnlyList<string> Doubled, IReadOnlyList<string> Undelivered,
    IReadOnlyList<string> Disordered, IReadOnlyList<string> Misshapen, IReadOnlyList<string> Unpaid, IReadOnlyList<string> Unreached, IReadOnlyList<string> Unrecovered, IReadOnlyList<string> Died, string Audit, bool AuditClean, int Facts, int HeardAgain, int Polled, int Reconnects, int Blows,
    IReadOnlyList<(string Blow, double Seconds)> Recoveries, double Seconds)
{
    public IEnumerable<string> Wrong => [.. Lost, .. Stuck, .. Unjustified, .. Doubled, .. Undelivered, .. Disordered, .. Misshapen, .. Unpaid, .. Unreached, .. Unrecovered, .. Died, .. AuditClean ? Array.Empty<string>() : [Audit]];
}

/// <summary>Renders go on while every kind of process is killed, frozen or cut off; then all of it is added up.</summary>
sealed class ChaosCampaign(ChaosPlan plan, ChaosYard yard, Action<string> say)
{
    static readonly TimeProvider Clock = TimeProvider.System;
    readonly ChaosLedger _ledger = new(yard.Database);
    readonly ConcurrentDictionary<JobId, bool> _accepted = [];
    readonly ConcurrentDictionary<JobId, bool> _cancelled = [];
    readonly ConcurrentBag<string> _refused = [], _unrecovered = [];
    readonly ConcurrentBag<(string, double)> _recoveries = [];
    readonly long _began = Clock.GetTimestamp();
    volatile bool _over;
    int _blows;

    public async Task<ChaosOutcome> RunAsync(CancellationToken stop)
    {
        await using var subscriber = await Subscriber.StartAsync(yard.Root, yard.Reader.Address, "somebody-elses", "#");
        await using var watchers = await Watchers.StartAsync(yard.Root, yard.Secrets.ApiToken);
        var mark = await _ledger.NewestAsync(stop);
        var template = (await yard.Gateways[0].AddTemplateAsync(Encoding.UTF8.GetBytes($$$"""{"name":"small","lottie":{{{SmallFilm.Of(64, 48, plan.Frames)}}}}"""), stop)).TemplateId;

        var submitting = Task.WhenAll(Enumerable.Range(0, plan.Jobs).Chunk(Math.Max(1, plan.Jobs / 12)).Select((lane, n) => LaneAsync(lane, n, template, watchers, stop)));
        var striking = StrikeAsync(subscriber, stop);
        await submitting;
        Say($"all {_accepted.Count} are submitted");
        var ends = await EndsAsync(striking, stop);
        _over = true;
        await striking;
        if (await yard.RecoverAsync(stop) is (false, var last)) _unrecovered.Add($"it is not whole at the end: {last}");
        Say("everything is over and whole again");

        var credits = await SettledAsync(stop);
        await UntilAsync(async () => subscriber.Furthest >= await _ledger.NewestAsync(stop), stop);
        await UntilAsync(() => Task.FromResult(watchers.Ended.Count >= _accepted.Count), stop);
        ends = await _ledger.EndsAsync(stop);
        var heard = subscriber.Heard;
        var (undelivered, disordered) = await _ledger.ComparedAsync(heard, mark, stop);
        var begun = await _ledger.BegunAsync(stop);
        var audit = await yard.VerifyAsync(stop);
        return new(
            plan.Jobs, Count("done"), Count("failed"), Count("cancelled"),
            [.. _accepted.Keys.Where(j => !begun.Contains(j)).Select(j => $"render {j} was accepted and is not there")],
            [.. _refused, .. _accepted.Keys.Where(j => begun.Contains(j) && !ends.ContainsKey(j)).Select(j => $"render {j} did not end")],
            [.. ends.Where(e => !Stands(e.Key, e.Value.Type)).Select(e => $"render {e.Key}: {e.Value.Type} {e.Value.Data}")],
            await _ledger.DoubledAsync(stop), undelivered, disordered, subscriber.Complaints, await _ledger.CreditsAsync(ends, credits, stop),
            [.. _accepted.Keys.Where(j => watchers.Ended.GetValueOrDefault(j) is var told && (told is null || ends.GetValueOrDefault(j).Type != $"render.job.{told}.v1")).Select(j => $"render {j}: its watcher was told {watchers.Ended.GetValueOrDefault(j) ?? "nothing"}, it ended with {ends.GetValueOrDefault(j).Type}")],
            [.. _unrecovered], yard.Died, audit.Output.Trim(), audit.ExitCode == 0, heard.DistinctBy(h => h.Seq).Count(), heard.Count - heard.DistinctBy(h => h.Seq).Count(), watchers.Polled, watchers.Reconnects, _blows,
            [.. _recoveries], Clock.GetElapsedTime(_began).TotalSeconds);

        int Count(string how) => ends.Values.Count(e => e.Type == $"render.job.{how}.v1");
    }

    /// <summary>Nothing that was done to it is a reason for a render to fail: it would have gone on.</summary>
    bool Stands(JobId job, string end) => end == "render.job.done.v1" || end == "render.job.cancelled.v1" && _cancelled.ContainsKey(job);

    async Task LaneAsync(int[] jobs, int lane, TemplateId template, Watchers watchers, CancellationToken stop)
    {
        var later = new List<Task>();
        foreach (var number in jobs)
        {
            var door = (lane + number) % yard.Gateways.Count;
            var key = Ids.New();
            if (await TriedAsync($"render {number} was not taken", () => yard.Gateways[door++ % yard.Gateways.Count].SubmitAsync(new NewRender(template, null, null, null, null, null, null), key, stop), stop) is not { } view) continue;
            _accepted[view.JobId] = true;
            watchers.Watch(view.JobId, yard.Gateways[door % yard.Gateways.Count].Url);
            if (plan.CancelEvery > 0 && number % plan.CancelEvery == plan.CancelEvery - 1) later.Add(CancelAsync(view.JobId, number, stop));
        }
        await Task.WhenAll(later);
    }

    async Task CancelAsync(JobId job, int number, CancellationToken stop)
    {
        await PauseAsync(number % 7, stop);
        // Before it is asked for: nobody knows whether a request that brought no answer was heard.
        _cancelled[job] = true;
        var door = number;
        await TriedAsync($"render {job} could not be cancelled", async () =>
        {
            try
            {
                return await yard.Gateways[door++ % yard.Gateways.Count].TellAsync(job, "cancel", "no longer wanted", stop);
            }
            catch (ApiRefusal e) when (e.Status == System.Net.HttpStatusCode.Conflict)
            {
                // It is over already.
                return await yard.Gateways[door % yard.Gateways.Count].RenderAsync(job, stop);
            }
        }, stop);
    }

    /// <summary>Asks again and again, wherever somebody is away.</summary>
    async Task<RenderView?> TriedAsync(string not, Func<Task<RenderView>> ask, CancellationToken stop)
    {
        var last = "";
        for (var since = Clock.GetTimestamp(); Clock.GetElapsedTime(since) < plan.Patience; await PauseAsync(0.3, stop))
        {
            try
            {
                return await ask();
            }
            catch (Exception e) when (ChaosYard.IsAway(e, stop))
            {
                last = e.Message;
            }
        }
        _refused.Add($"{not}: {last}");
        return null;
    }

    async Task StrikeAsync(Subscriber subscriber, CancellationToken stop)
    {
        var random = new Random(plan.Seed);
        var recovering = new List<Task>();
        foreach (var blow in plan.Deck(random).ToArray())
        {
            if (_over) break;
            var (alone, pause) = (random.Next(4) > 0, 0.5 + random.NextDouble() * 2);
            var struck = await yard.StrikeAsync(blow, random, stop);
            _blows++;
            var recovery = RecoverAsync(blow, struck, subscriber, stop);
            recovering.Add(recovery);
            // Now and then the next comes before this one is overcome.
            if (alone) await recovery;
            await PauseAsync(pause, stop);
        }
        await Task.WhenAll(recovering);
    }

    async Task RecoverAsync(Blow blow, string struck, Subscriber subscriber, CancellationToken stop)
    {
        var since = Clock.GetTimestamp();
        var (whole, last) = await yard.RecoverAsync(stop);
        if (!whole) _unrecovered.Add($"{blow.Name} ({struck}) was not overcome: {last}");
        var ready = Clock.GetElapsedTime(since).TotalSeconds;
        var newest = long.MaxValue;
        await UntilAsync(async () =>
        {
            try
            {
                newest = await _ledger.NewestAsync(stop);
                return true;
            }
            catch (NpgsqlException)
            {
                // The next blow has struck already.
                return false;
            }
        }, stop);
        // Where nothing is left to be done, there is no fact to wait for.
        while (subscriber.Furthest <= newest && !_over) await PauseAsync(0.02, stop);
        var seconds = Clock.GetElapsedTime(since).TotalSeconds;
        if (!_over) _recoveries.Add((blow.Name, seconds));
        Say(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{blow.Name} ({struck}): ready after {ready:0.0} s, facts flow after {seconds:0.0} s; last came {last}"));
    }

    async Task<Dictionary<JobId, (string Type, string Data)>> EndsAsync(Task striking, CancellationToken stop)
    {
        var since = Clock.GetTimestamp();
        var ends = new Dictionary<JobId, (string Type, string Data)>();
        while (Clock.GetElapsedTime(since) < plan.Patience)
        {
            if (!striking.IsCompleted) since = Clock.GetTimestamp();
            try
            {
                ends = await _ledger.EndsAsync(stop);
                if (_accepted.Keys.All(ends.ContainsKey)) break;
            }
            catch (NpgsqlException)
            {
                // It was struck just now.
            }
            if (striking.IsFaulted) await striking;
            await PauseAsync(0.5, stop);
        }
        return ends;
    }

    /// <summary>The purse, when nothing is held any more; as it is, where that does not come.</summary>
    async Task<CreditsView> SettledAsync(CancellationToken stop)
    {
        var view = await yard.CreditsAsync(stop);
        await UntilAsync(async () => (view = await yard.CreditsAsync(stop)).HeldMinor == 0, stop);
        return view;
    }

    static async Task UntilAsync(Func<Task<bool>> seen, CancellationToken stop)
    {
        for (var since = Clock.GetTimestamp(); !await seen() && Clock.GetElapsedTime(since) < TimeSpan.FromMinutes(2);) await PauseAsync(0.2, stop);
    }

    void Say(string what) => say(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{Clock.GetElapsedTime(_began).TotalSeconds,6:0.0} s  {what}"));

    static Task PauseAsync(double seconds, CancellationToken stop) => Task.Delay(TimeSpan.FromSeconds(seconds), Clock, stop);
}
