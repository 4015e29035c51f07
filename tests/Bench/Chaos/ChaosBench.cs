using System.Text.Json.Nodes;
using FlatRender.Cli;

namespace FlatRender.Bench;

/// <summary>A cluster in which everything is killed, frozen and cut off at random while renders go on.</summary>
static class ChaosBench
{
    const int Seed = 20261121;

    public static async Task<Figures> RunAsync(bool quick, int? seed, int? jobs, int? brokers, CancellationToken stop)
    {
        var plan = new ChaosPlan(seed ?? Seed, jobs ?? (quick ? 20 : 300), CancelEvery: 10, quick ? 19 : 152);
        var cluster = new ClusterPlan(Brokers: brokers ?? 1);
        await using var yard = await ChaosYard.OpenAsync(cluster, stop);
        var came = await new ChaosCampaign(plan, yard, Console.Error.WriteLine).RunAsync(stop);
        foreach (var wrong in came.Wrong) Console.Error.WriteLine(wrong);
        if (came.Wrong.Any()) Console.Error.WriteLine($"The logs are in {yard.KeepLogs()}.");

        var figures = new Figures("Chaos");
        figures.Add("jobs", came.Jobs, "renders submitted");
        figures.Add("done", came.Done, "delivered");
        figures.Add("cancelled", came.Cancelled, "cancelled because somebody asked");
        figures.Add("failed", came.Failed, "failed", "0");
        figures.Add("unjustified", came.Unjustified.Count, "failed, or cancelled unasked, by nothing but what was done to the servers", "0");
        figures.Add("lost", came.Lost.Count, "accepted and not stored", "0");
        figures.Add("stuck", came.Stuck.Count, $"not at an end {plan.Patience.TotalMinutes} minutes after the last blow", "0");
        figures.Add("doubled", came.Doubled.Count, "facts stored twice", "0");
        figures.Add("undelivered", came.Undelivered.Count, "facts that a foreign subscriber never heard", "0");
        figures.Add("disordered", came.Disordered.Count, "facts that it heard before one of the same stream that precedes them", "0");
        figures.Add("misshapen", came.Misshapen.Count, "things about them that the published documents do not say", "0");
        figures.Add("heard_again", came.HeardAgain, "facts that it heard more than once, of those below");
        figures.Add("facts", came.Facts, "facts that it heard");
        figures.Add("credit_errors", came.Unpaid.Count, "renders or purses whose sums are wrong", "0");
        figures.Add("audit_findings", came.AuditClean ? 0 : 1, $"audit verify: {came.Audit.Split('\n')[^1]}", "0");
        figures.Add("unreached", came.Unreached.Count, "watchers who did not learn their render's end", "0");
        figures.Add("polled", came.Polled, "of the watchers, those who learned it by REST, their socket having been silent");
        figures.Add("died", came.Died.Count, "processes that ended though nobody struck them", "0");
        figures.Add("unrecovered", came.Unrecovered.Count, "blows after which something was not ready again within 3 minutes", "0");
        figures.Add("blows", came.Blows, "times something was struck");
        figures.Add("reconnects", came.Reconnects, "times a watcher came back on a new socket");
        figures.Add("seconds", came.Seconds, "wall clock of it all");
        figures.Add("recovery_p50_s", Percentile(came.Recoveries, 0.5), "median from a blow's end until all is ready and facts flow to the foreign subscriber, seconds");
        figures.Add("recovery_p99_s", Percentile(came.Recoveries, 0.99), "99th percentile of it");
        foreach (var kind in came.Recoveries.GroupBy(r => r.Blow).OrderBy(k => k.Key)) figures.Add($"recovery_{kind.Key}_s", kind.Max(r => r.Seconds), $"the longest of {kind.Count()}");
        figures.Set("seed", plan.Seed);
        figures.Set("renders", cluster.Renders);
        figures.Set("gateways", cluster.Gateways);
        figures.Set("agents", cluster.Agents);
        figures.Set("brokers", cluster.Brokers);
        figures.Set("cores", Environment.ProcessorCount);
        figures.Set("quick", JsonValue.Create(quick));
        return figures;
    }

    static double? Percentile(IReadOnlyList<(string Blow, double Seconds)> of, double p) => of.Count == 0 ? null : of.Select(r => r.Seconds).Order().ElementAt((int)Math.Ceiling(p * of.Count) - 1);
}
