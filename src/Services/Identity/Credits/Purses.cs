using System.Collections.Concurrent;
using FlatRender.Contracts;
using FlatRender.Foundation;

namespace FlatRender.Identity;

/// <summary>Every tenant's purse. A change is decided on the newest version and appended on it, so two at once never spend the same credits.</summary>
public sealed class Purses(Streams streams, Vocabulary vocabulary, IdentitySettings settings, TimeProvider clock)
{
    /// <summary>Folded so far, so that the usual change reads only what is new. A stale one is harmless: the append checks the version.</summary>
    readonly ConcurrentDictionary<TenantId, (long Version, Purse Purse)> _folded = new();

    /// <summary>One change of a tenant at a time in this process; others would only make it try again.</summary>
    readonly SemaphoreSlim[] _turns = [.. Enumerable.Range(0, 64).Select(_ => new SemaphoreSlim(1))];

    public async Task<Purse> FindAsync(TenantId tenant, CancellationToken cancel)
    {
        var (version, purse) = await FoldAsync(tenant, cancel);
        return version > 0 ? purse : await OpenAsync(tenant, cancel);
    }

    /// <summary>The purse of a new tenant, with its welcome in it. An open one stays as it is.</summary>
    public Task<Purse> OpenAsync(TenantId tenant, CancellationToken cancel) => ChangeAsync(tenant, "identity", _ => [], cancel);

    /// <param name="decide">Facts that follow from the newest purse; called again when it has changed meanwhile.</param>
    public async Task<Purse> ChangeAsync(TenantId tenant, string actor, Func<Purse, IReadOnlyList<object>> decide, CancellationToken cancel)
    {
        var turn = _turns[(uint)tenant.GetHashCode() % _turns.Length];
        await turn.WaitAsync(cancel);
        try
        {
            while (true)
            {
                var (version, purse) = await FoldAsync(tenant, cancel);
                IReadOnlyList<object> facts = version == 0 ? Birth(tenant) : decide(purse);
                if (facts.Count == 0) return purse;
                try
                {
                    await streams.AppendAsync(tenant.Value, Purse.StreamType, version, facts, actor, cancel, facts.OfType<CreditsHeld>().Select(Claim));
                }
                catch (ConcurrencyException)
                {
                    continue;
                }
                purse = facts.Aggregate(purse, (p, fact) => p.Apply(fact));
                _folded[tenant] = (version + facts.Count, purse);
                if (version > 0) return purse;
            }
        }
        finally
        {
            turn.Release();
        }
    }

    /// <summary>Newest first.</summary>
    public async Task<Page<CreditEntry>> EntriesAsync(TenantId tenant, int page, int size, CancellationToken cancel)
    {
        await FindAsync(tenant, cancel);
        var total = await streams.VersionAsync(tenant.Value, cancel);
        var newest = total - (long)(page - 1) * size;
        var facts = newest < 1 ? [] : await streams.ReadAsync(tenant.Value, Math.Max(1, newest - size + 1), newest, cancel);
        return new([.. facts.OrderByDescending(e => e.Version).Select(Entry)], page, size, total);
    }

    object[] Birth(TenantId tenant)
    {
        var own = tenant == Caller.Owner.TenantId;
        return
        [
            new TenantCreated(tenant, "identity", own ? "this installation's own tenant" : "registered"),
            new TenantQuotaChanged(tenant, own ? int.MaxValue : settings.MaxActiveRenders, "identity", "to begin with"),
            new CreditsGranted(tenant, own ? settings.OwnMinor : settings.WelcomeMinor, "welcome", "identity", "welcome"),
        ];
    }

    (DateTimeOffset, object) Claim(CreditsHeld e)
    {
        var due = clock.GetUtcNow() + settings.ClaimPatience;
        return (due, new HoldUnclaimed(e.JobId, e.TenantId, e.Attempt, e.AfterOrder, due));
    }

    CreditEntry Entry(RecordedEvent e)
    {
        var (amount, job, reason) = e.Fact(vocabulary) switch
        {
            CreditsGranted f => (f.AmountMinor, (JobId?)null, f.Reason),
            CreditsHeld f => (-f.AmountMinor, f.JobId, f.Reason),
            // What is captured has left with its hold.
            CreditsCaptured f => (0, f.JobId, f.Reason),
            CreditsRefunded f => (f.AmountMinor, f.JobId, f.Reason),
            TenantQuotaChanged f => (0, null, f.Reason),
            TenantCreated f => (0, null, f.Reason),
            var other => throw new InvalidOperationException($"{other.GetType().Name} is no fact of a tenant."),
        };
        return new(e.Version, e.Timestamp, e.Type, amount, job, reason);
    }

    async Task<(long Version, Purse Purse)> FoldAsync(TenantId tenant, CancellationToken cancel)
    {
        var (version, purse) = _folded.GetValueOrDefault(tenant, (0, Purse.Unborn(tenant.Value)));
        foreach (var e in await streams.ReadAsync(tenant.Value, version + 1, long.MaxValue, cancel)) (version, purse) = (e.Version, purse.Apply(e.Fact(vocabulary)));
        _folded[tenant] = (version, purse);
        return (version, purse);
    }
}
