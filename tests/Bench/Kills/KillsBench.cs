using System.Text.Json.Nodes;

namespace FlatRender.Bench;

/// <summary>Agents, engines and the host are killed while renders go on; then renders are cancelled.</summary>
static class KillsBench
{
    const int Seed = 20261121;

    public static async Task<Figures> RunAsync(bool quick)
    {
        var plan = new KillPlan(Seed, quick ? 20 : 200, 6, 3, TimeSpan.FromSeconds(quick ? 2 : 3), Apart: 10, quick ? 4 : 20);
        await using var yard = new KillYard(Environment.GetEnvironmentVariable("FLATRENDER_TEST_DATABASE") ?? throw new InvalidOperationException("FLATRENDER_TEST_DATABASE is not set: run ./flatrender bench kills."));
        await yard.OpenAsync(plan.Agents);
        var came = await new KillCampaign(plan, yard).RunAsync();
        foreach (var said in came.Stuck.Concat(came.WrittenTwice).Concat(came.Unexplained)) Console.Error.WriteLine(said);

        var figures = new Figures("Kills");
        figures.Add("jobs", came.Jobs, "renders submitted");
        figures.Add("done", came.Done, "delivered", $"{plan.Jobs}");
        figures.Add("failed", came.Failed, "failed");
        figures.Add("unjustified", came.Unjustified, "failed without three crashes of their own", "0");
        figures.Add("stuck", came.Stuck.Count, $"not over within {plan.Patience.TotalMinutes} minutes", "0");
        figures.Add("different_films", came.DifferentFilms, "delivered films that differ from an undisturbed one", "0");
        foreach (var (what, times) in came.Kills) figures.Add($"killed_{what}", times, "kill -9");
        figures.Add("leases", came.Leases, "pieces given out");
        figures.Add("written_twice", came.WrittenTwice.Count, "pieces held or finished by two, by their facts", "0");
        figures.Add("reassigned", came.Reassigned.Count, "pieces whose agent died, the host being there");
        Spread("reassign", came.Reassigned, "from an agent's death until its piece was given out again, seconds", "10");
        Spread("reassign_host_away", came.WithHostAway, "the same where the host was killed too, its own absence included", null);
        figures.Add("samples", came.Samples, "questions why a render waits");
        figures.Add("unexplained", came.Unexplained.Count, "answers without a reason", "0");
        Spread("dispatch_stopped", came.DispatchStopped, "from a cancellation's acknowledgement to the last lease, seconds", "0.5");
        Spread("children_dead", came.ChildrenDead, "from a cancellation's acknowledgement until the engines that drew were gone, seconds", "3");
        figures.Add("billed_late", came.BilledLate, "cancelled renders whose bill grew afterwards", "0");
        figures.Set("seed", Seed);
        figures.Set("agents", plan.Agents);
        figures.Set("at_once", plan.AtOnce);
        figures.Set("cores", Environment.ProcessorCount);
        figures.Set("quick", JsonValue.Create(quick));
        return figures;

        void Spread(string name, IReadOnlyList<double> values, string what, string? aim)
        {
            figures.Add($"{name}_p50_s", Percentile(values, 0.5), $"median {what}");
            figures.Add($"{name}_p99_s", Percentile(values, 0.99), $"99th percentile {what}", aim);
        }
    }

    static double? Percentile(IReadOnlyList<double> values, double p) => values.Count == 0 ? null : values.Order().ElementAt(Math.Min(values.Count - 1, (int)Math.Ceiling(p * values.Count) - 1));
}
