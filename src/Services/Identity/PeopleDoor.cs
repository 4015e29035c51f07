using FlatRender.Contracts;
using FlatRender.Foundation;

namespace FlatRender.Identity;

/// <summary>A tenant's people, for its owners.</summary>
static class PeopleDoor
{
    public static async Task<IResult> ListAsync(HttpContext http, Accounts accounts, CancellationToken cancel, int page = 1, int page_size = 20) =>
        Paging.Problem(page, page_size) ?? Results.Json(await accounts.ListAsync(Caller.Of(http).TenantId, page, page_size, cancel), Wire.Json);

    public static async Task<IResult> AddAsync(NewUser ask, HttpContext http, Accounts accounts, CancellationToken cancel)
    {
        var caller = Caller.Of(http);
        var problems = Accounts.Problems(ask.Email, ask.Password, ask.Name).ToList();
        if (RolesProblem(caller, ask.Roles) is { } problem) problems.Add(problem);
        if (problems.Count > 0) return Refuse.Invalid("BAD_ACCOUNT", problems[0].Message, problems);
        return await accounts.AddAsync(ask.Email, ask.Password, ask.Name, caller.TenantId, "this installation", ask.Roles, $"user {caller.UserId}", cancel) is { } account
            ? Results.Json(account.View, Wire.Json, statusCode: StatusCodes.Status201Created)
            : Refuse.Conflict("EMAIL_TAKEN", "There is an account with this e-mail address already.");
    }

    public static async Task<IResult> RolesAsync(UserId id, RolesGiven ask, HttpContext http, Accounts accounts, Sessions sessions, CancellationToken cancel)
    {
        var caller = Caller.Of(http);
        if (await accounts.FindAsync(caller.TenantId, id, cancel) is not { } account) return Refuse.NotFound($"User {id}");
        if (RolesProblem(caller, ask.Roles) is { } problem) return Refuse.Invalid(problem.Code, problem.Message, problem);
        if (id == caller.UserId) return Refuse.Conflict("OWN_ROLES", "Nobody changes their own roles: the last owner would lock everybody out.");
        await accounts.SetRolesAsync(account, ask.Roles, $"user {caller.UserId}", cancel);
        // Tokens carry roles: those of before end now.
        await sessions.EndAllAsync(account, null, "the person's roles were changed", CancellationToken.None);
        return Results.Json((account with { Roles = ask.Roles }).View, Wire.Json);
    }

    public static async Task<IResult> RemoveAsync(UserId id, HttpContext http, Accounts accounts, Sessions sessions, CancellationToken cancel)
    {
        var caller = Caller.Of(http);
        if (await accounts.FindAsync(caller.TenantId, id, cancel) is not { } account) return Refuse.NotFound($"User {id}");
        if (id == caller.UserId) return Refuse.Conflict("OWN_ACCOUNT", "Nobody removes themselves: the last owner would lock everybody out.");
        await sessions.EndAllAsync(account, null, "the person was removed", cancel);
        await accounts.RemoveAsync(account, $"user {caller.UserId}", cancel);
        return Results.NoContent();
    }

    // Support and auditor see all tenants: only who looks after the installation makes someone that.
    static Problem? RolesProblem(Caller caller, IReadOnlyList<string>? roles)
    {
        string[] known = caller.May(Permission.SupportWrite) ? [.. Role.All] : [Role.Owner, Role.Member];
        return roles is not { Count: > 0 } || roles.Except(known).Any() || roles.Distinct().Count() != roles.Count ? new("roles", "BAD_ROLES", $"Roles are one or more of {string.Join(", ", known)}.") : null;
    }
}

/// <summary>A tenant's API keys, for its owners.</summary>
static class ApiKeyDoor
{
    public static async Task<IResult> ListAsync(HttpContext http, ApiKeys keys, CancellationToken cancel, int page = 1, int page_size = 20) =>
        Paging.Problem(page, page_size) ?? Results.Json(await keys.ListAsync(Caller.Of(http).TenantId, page, page_size, cancel), Wire.Json);

    public static async Task<IResult> IssueAsync(NewApiKey ask, HttpContext http, ApiKeys keys, CancellationToken cancel)
    {
        if (ask.Name is not { Length: > 0 and <= 200 } || ask.Name.Contains('\0')) return Refuse.Invalid("BAD_NAME", "A key has a name of 1 to 200 characters.");
        if (ask.Scopes is not { Count: > 0 } || ask.Scopes.Except(Permission.Scopes).Any()) return Refuse.Invalid("BAD_SCOPES", $"Scopes are one or more of {string.Join(", ", Permission.Scopes)}.");
        return Results.Json(await keys.IssueAsync(Caller.Of(http), ask.Name, [.. ask.Scopes.Distinct()], cancel), Wire.Json, statusCode: StatusCodes.Status201Created);
    }

    public static async Task<IResult> RevokeAsync(Guid id, HttpContext http, ApiKeys keys, CancellationToken cancel) =>
        await keys.RevokeAsync(Caller.Of(http), id, cancel) ? Results.NoContent() : Refuse.NotFound($"API key {id}");
}
