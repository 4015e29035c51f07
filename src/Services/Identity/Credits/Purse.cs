using System.Collections.Immutable;
using FlatRender.Contracts;

namespace FlatRender.Identity;

/// <summary>What is held for one render.</summary>
/// <param name="AfterOrder">The pipeline's last order before this attempt.</param>
/// <param name="RemainingMinor">Not settled yet; 0: all is.</param>
public sealed record Hold(int Attempt, int AfterOrder, long AmountMinor, long RemainingMinor, bool Unclaimed);

/// <summary>A tenant's credits: a fold of its stream. Whatever moves, granted = available + held + spent.</summary>
public sealed record Purse(Guid Id) : IMemory<Purse>
{
    public const string StreamType = "tenant";

    /// <summary>What an audit must know of streams of tenants.</summary>
    public static readonly StreamKind Kind = StreamKind.OfFacts<Purse>(StreamType, Illegal);

    public string State => "open";
    public long Granted { get; init; }
    public long Available { get; init; }
    public long Held { get; init; }
    public long Spent { get; init; }
    public int MaxActiveRenders { get; init; } = int.MaxValue;
    public int ActiveRenders { get; init; }
    public ImmutableHashSet<string> Grants { get; init; } = [];
    public ImmutableDictionary<JobId, Hold> Holds { get; init; } = ImmutableDictionary<JobId, Hold>.Empty;

    public static Purse Unborn(Guid id) => new(id);

    public Purse Apply(object fact) => fact switch
    {
        TenantCreated => this,
        TenantQuotaChanged e => this with { MaxActiveRenders = e.MaxActiveRenders },
        CreditsGranted e => this with { Granted = Granted + e.AmountMinor, Available = Available + e.AmountMinor, Grants = Grants.Add(e.Key) },
        CreditsHeld e => this with { Available = Available - e.AmountMinor, Held = Held + e.AmountMinor, ActiveRenders = ActiveRenders + 1, Holds = Holds.SetItem(e.JobId, new(e.Attempt, e.AfterOrder, e.AmountMinor, e.AmountMinor, false)) },
        CreditsCaptured e => Settled(e.JobId, e.AmountMinor, false) with { Held = Held - e.AmountMinor, Spent = Spent + e.AmountMinor },
        CreditsRefunded e => Settled(e.JobId, e.AmountMinor, e.Unclaimed) with { Held = Held - e.AmountMinor, Available = Available + e.AmountMinor },
        _ => throw new InvalidOperationException($"{fact.GetType().Name} is no fact of a tenant."),
    };

    Purse Settled(JobId job, long amount, bool unclaimed)
    {
        var hold = Holds[job];
        var left = hold.RemainingMinor - amount;
        return this with { ActiveRenders = ActiveRenders - (left == 0 ? 1 : 0), Holds = Holds.SetItem(job, hold with { RemainingMinor = left, Unclaimed = unclaimed }) };
    }

    public CreditsView View => new(new TenantId(Id), Available, Held, Spent, Granted, ActiveRenders, MaxActiveRenders);

    /// <summary>Sets a render's price aside, or says why not.</summary>
    public (IReadOnlyList<object> Facts, HoldAnswer Answer) Decide(HoldCredits ask)
    {
        var held = Holds.GetValueOrDefault(ask.JobId);
        if (held is not null && held.Attempt > ask.Attempt) return ([], new(null, ""));
        if (held is { Unclaimed: false } && held.Attempt == ask.Attempt)
            // The same key for a render of another price: what was held does not pay for it.
            return ([], held.AmountMinor == ask.AmountMinor ? new(null, "") : new("IDEMPOTENCY_CONFLICT", $"{held.AmountMinor} are held for this render as it was first sent; as it is now it costs {ask.AmountMinor}. Another render needs another key."));
        // The pipeline's own refund of the attempt before may still be on its way: it is then found settled.
        object[] before = held is { RemainingMinor: > 0 } ? [new CreditsRefunded(ask.TenantId, ask.JobId, held.Attempt, held.RemainingMinor, "the attempt before has failed")] : [];
        var available = Available + (held?.RemainingMinor ?? 0);
        if (available < ask.AmountMinor) return ([], new("INSUFFICIENT_CREDITS", $"This render costs {ask.AmountMinor}; {available} are available."));
        if (ActiveRenders - before.Length >= MaxActiveRenders) return ([], new("QUOTA_EXCEEDED", $"{MaxActiveRenders} renders are under way, as many as may be at once."));
        return ([.. before, new CreditsHeld(ask.TenantId, ask.JobId, ask.Attempt, ask.AfterOrder, ask.AmountMinor, ask.Attempt == 1 ? "submitted" : "retried")], new(null, ""));
    }

    /// <summary>The film is delivered and paid for.</summary>
    public IReadOnlyList<object> Decide(CaptureCredits ask)
    {
        if (Settling(ask.JobId, ask.Order) is not { } hold) return [];
        var captured = new CreditsCaptured(ask.TenantId, ask.JobId, hold.Attempt, hold.AmountMinor, "the film is delivered");
        if (hold.RemainingMinor > 0) return [captured with { AmountMinor = hold.RemainingMinor }];
        // It went back because the pipeline was late; the film came all the same.
        return hold.Unclaimed ? [new CreditsHeld(ask.TenantId, ask.JobId, hold.Attempt, hold.AfterOrder, hold.AmountMinor, "taken up late"), captured] : [];
    }

    /// <summary>What was not used goes back.</summary>
    public IReadOnlyList<object> Decide(RefundCredits ask)
    {
        if (Settling(ask.JobId, ask.Order) is not { RemainingMinor: > 0 } hold) return [];
        var used = (long)((Int128)hold.RemainingMinor * Math.Clamp(ask.UsedPercent, 0, 100) / 100);
        return
        [
            .. used > 0 ? new object[] { new CreditsCaptured(ask.TenantId, ask.JobId, hold.Attempt, used, $"{ask.UsedPercent} % of the work was done") } : [],
            .. used < hold.RemainingMinor ? new object[] { new CreditsRefunded(ask.TenantId, ask.JobId, hold.Attempt, hold.RemainingMinor - used, ask.Reason) } : [],
        ];
    }

    /// <param name="claimed">The pipeline has taken the attempt up.</param>
    public IReadOnlyList<object> Decide(HoldUnclaimed ask, bool claimed) =>
        !claimed && Holds.GetValueOrDefault(ask.JobId) is { RemainingMinor: > 0 } hold && hold.Attempt == ask.Attempt
            ? [new CreditsRefunded(ask.TenantId, ask.JobId, hold.Attempt, hold.RemainingMinor, "the pipeline did not take the render up", Unclaimed: true)]
            : [];

    Hold? Settling(JobId job, int order) => Holds.GetValueOrDefault(job) is { } hold && order > hold.AfterOrder ? hold : null;

    /// <summary>Why the fact may not follow, or null.</summary>
    public static string? Illegal(Purse purse, object fact)
    {
        var (job, amount, attempt) = fact switch
        {
            CreditsHeld e => (e.JobId, e.AmountMinor, e.Attempt),
            CreditsCaptured e => (e.JobId, e.AmountMinor, e.Attempt),
            CreditsRefunded e => (e.JobId, e.AmountMinor, e.Attempt),
            CreditsGranted e => (default, e.AmountMinor, 0),
            _ => (default(JobId), 1L, 0),
        };
        if (amount <= 0) return $"an amount of {amount} moves nothing.";
        var hold = purse.Holds.GetValueOrDefault(job);
        if (fact is CreditsGranted grant && purse.Grants.Contains(grant.Key)) return $"grant '{grant.Key}' was made already.";
        if (fact is CreditsHeld && hold is { RemainingMinor: > 0 }) return $"{hold.RemainingMinor} are held for render {job} already.";
        if (fact is CreditsHeld && hold is not null && (attempt < hold.Attempt || attempt == hold.Attempt && !hold.Unclaimed)) return $"attempt {attempt} of render {job} was held for already.";
        if (fact is CreditsCaptured or CreditsRefunded && (hold is null || hold.Attempt != attempt || hold.RemainingMinor < amount)) return $"{amount} are not held for attempt {attempt} of render {job}.";
        var after = purse.Apply(fact);
        return after.Granted == after.Available + after.Held + after.Spent ? null : "the ledger does not sum to zero.";
    }
}
