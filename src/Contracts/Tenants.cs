namespace FlatRender.Contracts;

// Credits. Amounts are integers of the smallest unit ("minor"). A tenant's purse is a stream of its own; its ledger always sums to zero:
// granted = available + held + spent.
//   GET  /v1/credits                                   -> CreditsView
//   GET  /v1/credits/entries?page=1&page_size=20       -> Page<CreditEntry>
//   POST /v1/support/tenants/{id}/credits  CreditGrant -> 201 CreditsView
//   PUT  /v1/support/tenants/{id}/quota    QuotaGiven  -> CreditsView

/// <summary>What a film costs.</summary>
public static class Price
{
    /// <returns>One for each million pixels drawn, at least one.</returns>
    public static long OfMinor(int width, int height, int frames) => Math.Max(1, ((long)width * height * frames + 999_999) / 1_000_000);
}

/// <param name="MaxActiveRenders">Renders of the tenant that may be under way at once.</param>
public sealed record CreditsView(TenantId TenantId, long AvailableMinor, long HeldMinor, long SpentMinor, long GrantedMinor, int ActiveRenders, int MaxActiveRenders);

/// <param name="AmountMinor">Added to what is available; negative: taken from it.</param>
public sealed record CreditEntry(long Seq, DateTimeOffset At, string Type, long AmountMinor, JobId? JobId, string Reason);

/// <param name="Key">The same key is the same grant, however often it is sent.</param>
public sealed record CreditGrant(long AmountMinor, string Key, string Reason);

public sealed record QuotaGiven(int MaxActiveRenders, string Reason);

/// <summary>Asks the purse to set a render's price aside; answered by <see cref="HoldAnswer"/>. The same job and attempt at the same price is the same hold, however often it is asked for.</summary>
/// <param name="Attempt">1 when submitted, one more for each retry.</param>
/// <param name="AfterOrder">The pipeline's last order before this attempt: what settles that or an older one does not mean this hold.</param>
public sealed record HoldCredits(JobId JobId, TenantId TenantId, int Attempt, int AfterOrder, long AmountMinor);

/// <param name="Refusal">Null: it is held. Else INSUFFICIENT_CREDITS, QUOTA_EXCEEDED or IDEMPOTENCY_CONFLICT (this attempt is held at another price).</param>
public sealed record HoldAnswer(string? Refusal, string Message);

/// <summary>Has the render that this was held for been taken up by the pipeline? If not, it goes back.</summary>
public sealed record HoldUnclaimed(JobId JobId, TenantId TenantId, int Attempt, int AfterOrder, DateTimeOffset Due);

// What happened.

public sealed record TenantCreated(TenantId TenantId, string By, string Reason);
public sealed record TenantQuotaChanged(TenantId TenantId, int MaxActiveRenders, string By, string Reason);
public sealed record CreditsGranted(TenantId TenantId, long AmountMinor, string Key, string By, string Reason);
public sealed record CreditsHeld(TenantId TenantId, JobId JobId, int Attempt, int AfterOrder, long AmountMinor, string Reason);
public sealed record CreditsCaptured(TenantId TenantId, JobId JobId, int Attempt, long AmountMinor, string Reason);
/// <param name="Unclaimed">The pipeline had not taken the render up in time. Should it do so later, the price is held again.</param>
public sealed record CreditsRefunded(TenantId TenantId, JobId JobId, int Attempt, long AmountMinor, string Reason, bool Unclaimed = false);
