using System.Security.Claims;
using System.Text.Encodings.Web;
using FlatRender.Contracts;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace FlatRender.Foundation;

/// <summary>Who calls: a person of a tenant, a program of its own, or a service for it.</summary>
/// <param name="ExpiresAt">When the token ends; null: never.</param>
/// <param name="SessionId">The sign-in; null for the installation's own token.</param>
/// <param name="ApiKeyId">The key that a program signed with; the user is then who issued it.</param>
public sealed record Caller(TenantId TenantId, UserId UserId, IReadOnlyList<string> Roles, IReadOnlyList<string> Permissions, DateTimeOffset? ExpiresAt = null, Guid? SessionId = null, string? ServiceName = null, Guid? ApiKeyId = null)
{
    // An installation of one's own has one tenant and one owner, who looks after the installation too; their ids never change.
    public static readonly Caller Owner = new(new TenantId(Ids.Derived(Guid.Empty, "tenant")), new UserId(Ids.Derived(Guid.Empty, "owner")), [Role.Owner, Role.Support], Permission.Of(Role.Owner, Role.Support));

    public static Caller Of(HttpContext http) => http.Features.Get<Caller>() ?? throw new InvalidOperationException($"{http.Request.Path} is open to callers who have not signed in.");

    public bool May(string permission) => Permissions.Contains(permission);

    /// <summary>As facts name who did something.</summary>
    public string Name => ApiKeyId is { } key ? $"api key {key}" : $"user {UserId}";
}

/// <summary>Bearer tokens: a person's, a service's, the installation owner's, and the one of its nodes.</summary>
public sealed class TokenAuthentication(IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger, UrlEncoder encoder, Secrets secrets, Tokens tokens)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    public const string Scheme_ = "token", Person = "person", Program = "program", Node = "node";

    protected override async Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        var header = Request.Headers.Authorization.ToString();
        if (!header.StartsWith("Bearer ", StringComparison.Ordinal)) return AuthenticateResult.NoResult();
        var token = header["Bearer ".Length..].Trim();
        if (Tokens.Same(token, secrets.NodeToken)) return Accept(Node, []);
        var (caller, why) = await tokens.CheckAsync(token, Context.RequestAborted);
        if (caller is { ServiceName: not null })
        {
            // A service acts for the tenant that it names with each call.
            if (!TenantId.TryParse(Request.Headers["X-Tenant-Id"], out var tenant)) return AuthenticateResult.Fail("A service names the tenant in X-Tenant-Id.");
            caller = caller with { TenantId = tenant };
        }
        if (caller is null) return AuthenticateResult.Fail(why);
        Context.Features.Set(caller);
        return Accept(Person, caller.Permissions);
    }

    /// <summary>Somebody whose token was checked elsewhere.</summary>
    public static void LetIn(HttpContext http, Caller caller)
    {
        http.Features.Set(caller);
        http.User = Principal(Person, caller.Permissions);
    }

    static AuthenticateResult Accept(string role, IReadOnlyList<string> permissions) => AuthenticateResult.Success(new AuthenticationTicket(Principal(role, permissions), Scheme_));

    public static ClaimsPrincipal Principal(string role, IReadOnlyList<string> permissions) =>
        new(new ClaimsIdentity([new Claim(ClaimTypes.Role, role), .. permissions.Select(p => new Claim(Access.Permitted, p))], Scheme_));
}

/// <summary>What an endpoint or a group of them says about who may call it.</summary>
public static class Access
{
    internal const string Permitted = "permission";

    public static IServiceCollection AddTokenAccess(this IServiceCollection services)
    {
        services.AddSingleton<Tokens>();
        services.AddAuthentication(TokenAuthentication.Scheme_).AddScheme<AuthenticationSchemeOptions, TokenAuthentication>(TokenAuthentication.Scheme_, null);
        // Nothing is open by oversight.
        services.AddAuthorizationBuilder().SetFallbackPolicy(new AuthorizationPolicyBuilder().RequireAuthenticatedUser().Build());
        return services;
    }

    public static T ForPeople<T>(this T endpoints) where T : IEndpointConventionBuilder => endpoints.RequireAuthorization(p => p.RequireRole(TokenAuthentication.Person));
    public static T ForNodes<T>(this T endpoints) where T : IEndpointConventionBuilder => endpoints.RequireAuthorization(p => p.RequireRole(TokenAuthentication.Node));

    /// <summary>For callers with this permission; on an endpoint, on top of what its group asks.</summary>
    public static T Needs<T>(this T endpoints, string permission) where T : IEndpointConventionBuilder => endpoints.RequireAuthorization(p => p.RequireClaim(Permitted, permission));
}
