using FlatRender.Contracts;
using FlatRender.Foundation;

namespace FlatRender.Identity;

/// <summary>Signing in and out, over HTTP.</summary>
static class AuthDoor
{
    public static async Task<IResult> RegisterAsync(NewAccount ask, Accounts accounts, Sessions sessions, Purses purses, CancellationToken cancel)
    {
        var problems = Accounts.Problems(ask.Email, ask.Password, ask.Name).ToList();
        if (ask.TenantName is { } given && (string.IsNullOrWhiteSpace(given) || given.Length > 200 || given.Contains('\0'))) problems.Add(new("tenant_name", "BAD_NAME", "A name has 1 to 200 characters."));
        if (problems.Count > 0) return Refuse.Invalid("BAD_ACCOUNT", problems[0].Message, problems);
        if (await accounts.AddAsync(ask.Email, ask.Password, ask.Name, null, ask.TenantName ?? ask.Name, [Role.Owner], null, cancel) is not { } account) return Refuse.Conflict("EMAIL_TAKEN", "There is an account with this e-mail address already.");
        await purses.OpenAsync(account.TenantId, cancel);
        return Results.Json(await sessions.OpenAsync(account, "registered", cancel), Wire.Json, statusCode: StatusCodes.Status201Created);
    }

    public static async Task<IResult> LoginAsync(Credentials ask, HttpContext http, Accounts accounts, Sessions sessions, Lockout lockout, TimeProvider clock, CancellationToken cancel)
    {
        if (ask.Email is not { Length: > 0 and <= 254 } || ask.Password is not { Length: > 0 and <= 200 } || ask.Email.Contains('\0')) return WrongPassword();
        var email = Accounts.Normal(ask.Email);
        if (await lockout.LockedAsync(email, cancel) is { } until) return Locked(http, until, clock);
        var account = await accounts.FindAsync(email, cancel);
        if (accounts.IsPassword(account, ask.Password))
        {
            await lockout.ForgetAsync(email, cancel);
            return Results.Json(await sessions.OpenAsync(account!, "signed in", cancel), Wire.Json);
        }
        if (await lockout.FailedAsync(email, cancel) is not { } from) return WrongPassword();
        if (account is not null) await accounts.LockedAsync(account, from, cancel);
        return Locked(http, from, clock);
    }

    public static async Task<IResult> RefreshAsync(RefreshAsked ask, Sessions sessions, CancellationToken cancel) =>
        ask.RefreshToken is { Length: > 0 and <= 200 } token && await sessions.RefreshAsync(token, cancel) is { } signedIn
            ? Results.Json(signedIn, Wire.Json)
            : Refuse.With(StatusCodes.Status401Unauthorized, "BAD_REFRESH_TOKEN", "The refresh token is not good any more. Sign in again.");

    public static async Task<IResult> LogoutAsync(HttpContext http, Accounts accounts, Sessions sessions, CancellationToken cancel)
    {
        var caller = Caller.Of(http);
        if (caller.SessionId is { } session && await accounts.FindAsync(caller.UserId, cancel) is { } account) await sessions.EndAsync(account, session, "signed out", cancel);
        return Results.NoContent();
    }

    public static async Task<IResult> MeAsync(HttpContext http, Accounts accounts, CancellationToken cancel)
    {
        var caller = Caller.Of(http);
        var account = await accounts.FindAsync(caller.TenantId, caller.UserId, cancel);
        // The installation's own token, and a service's, stand for no account.
        return Results.Json(account?.View ?? new UserView(caller.UserId, caller.TenantId, "", caller.ServiceName ?? "the installation's owner", caller.Roles, caller.Permissions, DateTimeOffset.UnixEpoch), Wire.Json);
    }

    public static async Task<IResult> PasswordAsync(NewPassword ask, HttpContext http, Accounts accounts, Sessions sessions, Lockout lockout, TimeProvider clock, CancellationToken cancel)
    {
        var caller = Caller.Of(http);
        if (await accounts.FindAsync(caller.TenantId, caller.UserId, cancel) is not { } account) return Refuse.Conflict("NO_ACCOUNT", "This token stands for no account with a password.");
        if (Accounts.Problems(account.Email, ask.New, account.Name) is { Count: > 0 } problems) return Refuse.Invalid("BAD_PASSWORD", problems[0].Message, problems.Select(p => p with { Field = "new" }));
        if (await lockout.LockedAsync(account.Email, cancel) is { } until) return Locked(http, until, clock);
        if (!accounts.IsPassword(account, ask.Current ?? "")) return await lockout.FailedAsync(account.Email, cancel) is { } from ? Locked(http, from, clock) : WrongPassword();
        await accounts.SetPasswordAsync(account, ask.New, cancel);
        // Whoever has hung up meanwhile must not leave a thief signed in.
        await sessions.EndAllAsync(account, caller.SessionId, "the password was changed", CancellationToken.None);
        return Results.NoContent();
    }

    public static async Task<IResult> KeysAsync(HttpContext http, SigningKeys keys, CancellationToken cancel)
    {
        http.Response.Headers.CacheControl = "public, max-age=60";
        return Results.Json(await keys.PublicAsync(cancel), Wire.Json);
    }

    public static async Task<IResult> RotateAsync(SigningKeys keys, CancellationToken cancel)
    {
        await keys.RotateAsync(cancel);
        return Results.Json(await keys.PublicAsync(cancel), Wire.Json, statusCode: StatusCodes.Status201Created);
    }

    public static async Task<IResult> ServiceTokenAsync(NewServiceToken ask, Sessions sessions, CancellationToken cancel) =>
        ask.ServiceName is { Length: > 0 and <= 100 } name && name.All(c => char.IsAsciiLetterLower(c) || c is '-' or '_' || char.IsAsciiDigit(c))
            ? Results.Json(await sessions.ForServiceAsync(name, cancel), Wire.Json, statusCode: StatusCodes.Status201Created)
            : Refuse.Invalid("BAD_NAME", "A service's name has 1 to 100 small letters, digits, - and _.");

    static IResult WrongPassword() => Refuse.With(StatusCodes.Status401Unauthorized, "WRONG_PASSWORD", "The e-mail address or the password is wrong.");

    static IResult Locked(HttpContext http, DateTimeOffset until, TimeProvider clock)
    {
        http.Response.Headers.RetryAfter = $"{Math.Max(1, (int)Math.Ceiling((until - clock.GetUtcNow()).TotalSeconds))}";
        return Refuse.With(StatusCodes.Status429TooManyRequests, "LOCKED", "Too many wrong passwords. Wait, then try again.");
    }
}
