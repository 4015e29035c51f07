using FlatRender.Contracts;
using FlatRender.Identity;

namespace FlatRender.Gateway.Tests;

/// <summary>The purse under any sequence of messages: early, late, twice, or not meant for it.</summary>
public sealed class PurseSpecs
{
    static readonly TenantId Tenant = new(Ids.New());

    static Purse Open(long welcome, int quota) => After(Purse.Unborn(Tenant.Value), [new TenantQuotaChanged(Tenant, quota, "", ""), new CreditsGranted(Tenant, welcome, "welcome", "", "")]);

    /// <summary>Each fact as an audit would see it.</summary>
    static Purse After(Purse purse, IEnumerable<object> facts)
    {
        foreach (var fact in facts)
        {
            Purse.Illegal(purse, fact).ShouldBeNull($"{fact}");
            purse = purse.Apply(fact);
        }
        return purse;
    }

    [Fact]
    public void Whatever_comes_in_whatever_order_the_ledger_sums_to_zero()
    {
        for (var seed = 0; seed < 400; seed++)
        {
            var random = new Random(seed);
            var jobs = Enumerable.Range(0, 5).Select(_ => new JobId(Ids.New())).ToArray();
            var purse = Open(random.Next(1, 2000), random.Next(1, 6));
            for (var i = 0; i < 120; i++)
            {
                var job = jobs[random.Next(jobs.Length)];
                purse = After(purse, Any(random, purse, job));
                (purse.Available + purse.Held + purse.Spent).ShouldBe(purse.Granted, $"seed {seed}, message {i}");
                purse.Held.ShouldBe(purse.Holds.Values.Sum(h => h.RemainingMinor), $"seed {seed}, message {i}");
                purse.ActiveRenders.ShouldBe(purse.Holds.Values.Count(h => h.RemainingMinor > 0), $"seed {seed}, message {i}");
            }
        }
    }

    [Fact]
    public void What_is_held_for_a_small_film_pays_for_no_great_one_of_the_same_key()
    {
        var purse = Open(1000, 5);
        var job = new JobId(Ids.New());
        purse = After(purse, purse.Decide(new HoldCredits(job, Tenant, 1, 0, 1)).Facts);
        purse.Decide(new HoldCredits(job, Tenant, 1, 0, 1)).Answer.Refusal.ShouldBeNull("the same again");
        var (facts, answer) = purse.Decide(new HoldCredits(job, Tenant, 1, 0, 500));
        (facts.Count, answer.Refusal).ShouldBe((0, "IDEMPOTENCY_CONFLICT"));
    }

    static IReadOnlyList<object> Any(Random random, Purse purse, JobId job) => random.Next(6) switch
    {
        0 or 1 => purse.Decide(new HoldCredits(job, Tenant, random.Next(1, 4), random.Next(0, 6), random.Next(1, 500))).Facts,
        2 => purse.Decide(new CaptureCredits(job, Tenant, random.Next(0, 9))),
        3 => purse.Decide(new RefundCredits(job, Tenant, random.Next(0, 9), "failed")),
        4 => purse.Decide(new RefundCredits(job, Tenant, random.Next(0, 9), "cancelled", random.Next(-10, 120))),
        _ => purse.Decide(new HoldUnclaimed(job, Tenant, random.Next(1, 4), 0, default), random.Next(2) == 0),
    };

    [Fact]
    public void Every_message_twice_changes_nothing_the_second_time()
    {
        var job = new JobId(Ids.New());
        var purse = Open(1000, 10);
        purse = Twice(purse, p => p.Decide(new HoldCredits(job, Tenant, 1, 0, 300)).Facts);
        purse = Twice(purse, p => p.Decide(new RefundCredits(job, Tenant, 4, "failed")));
        purse = Twice(purse, p => p.Decide(new HoldCredits(job, Tenant, 2, 4, 300)).Facts);
        purse = Twice(purse, p => p.Decide(new CaptureCredits(job, Tenant, 9)));
        purse.View.ShouldBe(new CreditsView(Tenant, 700, 0, 300, 1000, 0, 10));

        static Purse Twice(Purse purse, Func<Purse, IReadOnlyList<object>> decide)
        {
            var after = After(purse, decide(purse));
            after.ShouldNotBe(purse);
            decide(after).ShouldBeEmpty();
            return after;
        }
    }

    [Fact]
    public void A_late_refund_of_an_older_attempt_does_not_touch_the_newer_hold()
    {
        var job = new JobId(Ids.New());
        var purse = After(Open(1000, 10), Open(1000, 10).Decide(new HoldCredits(job, Tenant, 1, 0, 300)).Facts);
        purse = After(purse, purse.Decide(new HoldCredits(job, Tenant, 2, AfterOrder: 3, 300)).Facts);
        purse.Decide(new RefundCredits(job, Tenant, Order: 3, "failed")).ShouldBeEmpty();
        purse.View.ShouldBe(new CreditsView(Tenant, 700, 300, 0, 1000, 1, 10));
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 3)]
    [InlineData(40, 120)]
    [InlineData(99, 297)]
    [InlineData(100, 300)]
    public void Of_a_cancelled_render_only_what_was_done_is_paid(int percent, long spent)
    {
        var job = new JobId(Ids.New());
        var purse = After(Open(1000, 10), Open(1000, 10).Decide(new HoldCredits(job, Tenant, 1, 0, 300)).Facts);
        After(purse, purse.Decide(new RefundCredits(job, Tenant, 2, "cancelled", percent))).View.ShouldBe(new CreditsView(Tenant, 1000 - spent, 0, spent, 1000, 0, 10));
    }

    [Fact]
    public void A_film_that_came_after_its_hold_went_back_is_paid_for_all_the_same()
    {
        var job = new JobId(Ids.New());
        var purse = After(Open(300, 10), Open(300, 10).Decide(new HoldCredits(job, Tenant, 1, 0, 300)).Facts);
        purse = After(purse, purse.Decide(new HoldUnclaimed(job, Tenant, 1, 0, default), claimed: false));
        purse.View.AvailableMinor.ShouldBe(300);
        purse = After(purse, purse.Decide(new CaptureCredits(job, Tenant, 3)));
        purse.View.ShouldBe(new CreditsView(Tenant, 0, 0, 300, 300, 0, 10));
    }

    [Fact]
    public void An_audit_sees_what_no_purse_would_have_done()
    {
        var job = new JobId(Ids.New());
        var purse = After(Open(1000, 10), Open(1000, 10).Decide(new HoldCredits(job, Tenant, 1, 0, 300)).Facts);
        Purse.Illegal(purse, new CreditsCaptured(Tenant, job, 1, 301, "")).ShouldNotBeNull();
        Purse.Illegal(purse, new CreditsRefunded(Tenant, new JobId(Ids.New()), 1, 1, "")).ShouldNotBeNull();
        Purse.Illegal(purse, new CreditsHeld(Tenant, job, 1, 0, 300, "")).ShouldNotBeNull();
        Purse.Illegal(purse, new CreditsGranted(Tenant, 5, "welcome", "", "")).ShouldNotBeNull();
        Purse.Illegal(purse, new CreditsGranted(Tenant, -5, "less", "", "")).ShouldNotBeNull();
    }

    [Fact]
    public void A_film_costs_one_for_each_million_pixels_begun()
    {
        Price.OfMinor(64, 48, 6).ShouldBe(1);
        Price.OfMinor(1000, 1000, 1).ShouldBe(1);
        Price.OfMinor(1920, 1080, 300).ShouldBe(623);
        Price.OfMinor(7680, 4320, 216_000).ShouldBe(7_166_362);
    }
}
