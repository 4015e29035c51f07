using FlatRender.Contracts;
using FlatRender.Foundation;

namespace FlatRender.Identity;

/// <summary>Credits over HTTP: seen by their tenant, granted by support.</summary>
static class CreditsDoor
{
    const long MostMinor = 1_000_000_000_000;

    public static async Task<IResult> GetAsync(HttpContext http, Purses purses, CancellationToken cancel) => Results.Json((await purses.FindAsync(Caller.Of(http).TenantId, cancel)).View, Wire.Json);

    public static async Task<IResult> EntriesAsync(HttpContext http, Purses purses, CancellationToken cancel, int page = 1, int page_size = 20) =>
        Paging.Problem(page, page_size) ?? Results.Json(await purses.EntriesAsync(Caller.Of(http).TenantId, page, page_size, cancel), Wire.Json);

    public static async Task<IResult> GrantAsync(TenantId id, CreditGrant ask, HttpContext http, Accounts accounts, Purses purses, CancellationToken cancel)
    {
        if (ask.AmountMinor is < 1 or > MostMinor) return Refuse.Invalid("BAD_AMOUNT", $"amount_minor is 1 to {MostMinor}.");
        if (ask.Key is not { Length: > 0 and <= 200 } || ask.Key.Contains('\0') || BadReason(ask.Reason)) return Refuse.Invalid("BAD_GRANT", "A grant has a key of 1 to 200 characters, so that it is made once, and a reason of 1 to 1000.");
        if (!await accounts.HasTenantAsync(id, cancel)) return Refuse.NotFound($"Tenant {id}");
        var by = $"user {Caller.Of(http).UserId}";
        var purse = await purses.ChangeAsync(id, by, purse => purse.Grants.Contains(ask.Key) ? [] : [new CreditsGranted(id, ask.AmountMinor, ask.Key, by, ask.Reason)], cancel);
        return Results.Json(purse.View, Wire.Json, statusCode: StatusCodes.Status201Created);
    }

    public static async Task<IResult> QuotaAsync(TenantId id, QuotaGiven ask, HttpContext http, Accounts accounts, Purses purses, CancellationToken cancel)
    {
        if (ask.MaxActiveRenders < 0 || BadReason(ask.Reason)) return Refuse.Invalid("BAD_QUOTA", "max_active_renders is 0 or more, with a reason of 1 to 1000 characters.");
        if (!await accounts.HasTenantAsync(id, cancel)) return Refuse.NotFound($"Tenant {id}");
        var by = $"user {Caller.Of(http).UserId}";
        var purse = await purses.ChangeAsync(id, by, purse => purse.MaxActiveRenders == ask.MaxActiveRenders ? [] : [new TenantQuotaChanged(id, ask.MaxActiveRenders, by, ask.Reason)], cancel);
        return Results.Json(purse.View, Wire.Json);
    }

    static bool BadReason(string? reason) => reason is not { Length: > 0 and <= 1000 } || reason.Contains('\0');
}
