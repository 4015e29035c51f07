using System.Security.Claims;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using FlatRender.Contracts;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace FlatRender.Foundation;

/// <summary>Who calls: a person of a tenant.</summary>
public sealed record Caller(TenantId TenantId, UserId UserId)
{
    // An installation of one's own has one tenant and one owner; their ids never change.
    public static readonly Caller Owner = new(new TenantId(Ids.Derived(Guid.Empty, "tenant")), new UserId(Ids.Derived(Guid.Empty, "owner")));

    public static Caller Of(HttpContext http) => new(
        new TenantId(Guid.Parse(http.User.FindFirstValue("tenant_id")!)),
        new UserId(Guid.Parse(http.User.FindFirstValue("user_id")!)));
}

/// <summary>Bearer tokens of this installation: one for its owner, one for its nodes.</summary>
public sealed class TokenAuthentication(IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger, UrlEncoder encoder, Secrets secrets)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    public const string Scheme_ = "token", Person = "person", Node = "node";

    protected override Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        var header = Request.Headers.Authorization.ToString();
        if (!header.StartsWith("Bearer ", StringComparison.Ordinal)) return Task.FromResult(AuthenticateResult.NoResult());
        var token = header["Bearer ".Length..].Trim();
        if (Same(token, secrets.ApiToken))
            return Accept(Person, new("tenant_id", Caller.Owner.TenantId.ToString()), new("user_id", Caller.Owner.UserId.ToString()));
        if (Same(token, secrets.NodeToken)) return Accept(Node);
        return Task.FromResult(AuthenticateResult.Fail("The token is not valid."));
    }

    static Task<AuthenticateResult> Accept(string role, params Claim[] claims)
    {
        var identity = new ClaimsIdentity([new Claim(ClaimTypes.Role, role), .. claims], Scheme_);
        return Task.FromResult(AuthenticateResult.Success(new AuthenticationTicket(new ClaimsPrincipal(identity), Scheme_)));
    }

    // In constant time: how long a refusal takes tells nothing about the secret.
    static bool Same(string given, string secret) => secret.Length > 0 && CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(given), Encoding.UTF8.GetBytes(secret));
}

/// <summary>What an endpoint group says about who may call it.</summary>
public static class Access
{
    public static IServiceCollection AddTokenAccess(this IServiceCollection services)
    {
        services.AddAuthentication(TokenAuthentication.Scheme_).AddScheme<AuthenticationSchemeOptions, TokenAuthentication>(TokenAuthentication.Scheme_, null);
        services.AddAuthorizationBuilder()
            .AddPolicy(TokenAuthentication.Person, p => p.RequireRole(TokenAuthentication.Person))
            .AddPolicy(TokenAuthentication.Node, p => p.RequireRole(TokenAuthentication.Node))
            // Nothing is open by oversight.
            .SetFallbackPolicy(new AuthorizationPolicyBuilder().RequireAuthenticatedUser().Build());
        return services;
    }

    public static RouteGroupBuilder ForPeople(this RouteGroupBuilder group) => group.RequireAuthorization(TokenAuthentication.Person);
    public static RouteGroupBuilder ForNodes(this RouteGroupBuilder group) => group.RequireAuthorization(TokenAuthentication.Node);
}
