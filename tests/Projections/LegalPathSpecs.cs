using FlatRender.Contracts;
using FlatRender.Sagas;

namespace FlatRender.Projections.Tests;

/// <summary>The table of legal steps is the machine's: no more, no less.</summary>
public sealed class LegalPathSpecs : IAsyncLifetime
{
    readonly Store _store = new();

    public Task InitializeAsync() => _store.InitializeAsync();
    public Task DisposeAsync() => _store.DisposeAsync();

    [Fact]
    public async Task Whatever_the_machine_records_is_legal_and_every_legal_step_is_one_it_takes()
    {
        var house = await _store.OpenAsync();
        var renders = new Renders(house);
        var taken = new HashSet<(string, Type, string)>();
        // Until the last edge is found: seeds are fixed, the bound is far beyond what they need.
        for (var seed = 1; seed <= 400 && taken.Count < LegalPath.Steps.Count; seed++)
        {
            var id = await renders.WildAsync(new Random(seed), 40);
            var job = RenderJob.Unborn(id.Value);
            foreach (var e in await house.Streams.ReadAsync(id.Value, CancellationToken.None))
            {
                var fact = e.Fact(Vocabulary.All);
                LegalPath.Illegal(job, fact).ShouldBeNull($"seed {seed}, version {e.Version}");
                taken.Add((job.State, fact.GetType(), job.Apply(fact).State));
                job = job.Apply(fact);
            }
        }
        taken.ShouldBe(LegalPath.Steps, ignoreOrder: true);
    }

    static readonly Guid Id = new("7b9d9d3c-5c1e-4f60-9c52-0f6f7d9c1a11");
    static RenderJob In(string state) => RenderJob.Unborn(Id) with { State = state, Order = 4, Repairs = 1 };

    [Fact]
    public void A_film_whose_frames_nobody_accepted_is_illegal() =>
        LegalPath.Illegal(In(Step.Validating), new JobDone(new(Id), new("ab", 1, "cd", 1, 30, 1), "")).ShouldBe("the frames were not accepted.");

    [Fact]
    public void A_terminal_state_is_left_only_by_a_retry_of_a_failed_render() =>
        new[] { Step.Done, Step.Failed, Step.Cancelled }.SelectMany(s => LegalPath.Steps.Where(step => step.From == s)).ShouldBe([(Step.Failed, typeof(JobRequeued), Step.Queued)]);

    [Fact]
    public void An_order_that_skips_one_is_illegal() =>
        LegalPath.Illegal(In(Step.Repair), new JobValidating(new(Id), 6, 0, 1, "")).ShouldBe("order 6 follows order 4.");

    [Fact]
    public void A_repair_too_many_is_illegal() =>
        LegalPath.Illegal(In(Step.Validating) with { Repairs = 3 }, new JobRepair(new(Id), 5, 0, [1], [], 4, 3, "")).ShouldBe("repair 4 is one more than the 3 allowed.");

    [Fact]
    public void A_fact_of_another_render_is_illegal() =>
        LegalPath.Illegal(In(Step.Queued), new JobHeld(new(Guid.Empty), "x", "")).ShouldBe($"it is about render {Guid.Empty}.");
}
