namespace FlatRender.Contracts;

/// <summary>What a person of a tenant is. Support and auditor look after the whole installation, so only the installation's own people are made that.</summary>
public static class Role
{
    public const string Owner = "owner", Member = "member", Support = "support", Auditor = "auditor";

    public static readonly IReadOnlyList<string> All = [Owner, Member, Support, Auditor];
}

/// <summary>What a caller may do. Roles come down to these, and so do the scopes of an API key.</summary>
public static class Permission
{
    public const string
        RendersRead = "renders:read", RendersWrite = "renders:write", TemplatesRead = "templates:read", TemplatesWrite = "templates:write",
        ProjectsRead = "projects:read", ProjectsWrite = "projects:write", CreditsRead = "credits:read", WebhooksManage = "webhooks:manage", UsersManage = "users:manage", ApiKeysManage = "api_keys:manage",
        SupportRead = "support:read", SupportWrite = "support:write";

    static readonly string[] Member = [RendersRead, RendersWrite, TemplatesRead, TemplatesWrite, ProjectsRead, ProjectsWrite, CreditsRead];

    /// <summary>What an API key may be given: what a tenant's own programs need.</summary>
    public static readonly IReadOnlyList<string> Scopes = [.. Member, WebhooksManage];

    public static IReadOnlyList<string> Of(params IEnumerable<string> roles) => [.. roles.SelectMany(Of).Distinct().Order(StringComparer.Ordinal)];

    static string[] Of(string role) => role switch
    {
        Role.Owner => [.. Member, WebhooksManage, UsersManage, ApiKeysManage],
        Role.Member => Member,
        Role.Support => [SupportRead, SupportWrite],
        Role.Auditor => [SupportRead],
        _ => [],
    };
}

// Identity over HTTP (JSON, snake_case).
//   POST /v1/auth/register    NewAccount     -> 201 SignedIn       POST /v1/auth/login     Credentials -> SignedIn
//   POST /v1/auth/refresh     RefreshAsked   -> SignedIn           POST /v1/auth/logout                -> 204
//   GET  /v1/auth/me                         -> UserView           POST /v1/auth/password  NewPassword -> 204
//   GET, POST /v1/users; PUT /v1/users/{id}/roles; DELETE /v1/users/{id}
//   GET, POST /v1/api-keys; DELETE /v1/api-keys/{id}
//   GET  /.well-known/jwks.json              -> KeySet

/// <param name="TenantName">Null: the person's own name.</param>
public sealed record NewAccount(string Email, string Password, string Name, string? TenantName)
{
    public override string ToString() => "(account)";
}

public sealed record Credentials(string Email, string Password)
{
    public override string ToString() => "(credentials)";
}

public sealed record NewPassword(string Current, string New)
{
    public override string ToString() => "(passwords)";
}

public sealed record RefreshAsked(string RefreshToken)
{
    public override string ToString() => "(token)";
}

/// <param name="ExpiresIn">Seconds until the access token ends.</param>
/// <param name="RefreshToken">Good once: the answer brings the next.</param>
public sealed record SignedIn(string AccessToken, string TokenType, int ExpiresIn, string RefreshToken, UserView User)
{
    public override string ToString() => "(tokens)";
}

public sealed record UserView(UserId UserId, TenantId TenantId, string Email, string Name, IReadOnlyList<string> Roles, IReadOnlyList<string> Permissions, DateTimeOffset CreatedAt);

/// <param name="Roles">owner and member; support and auditor where the installation's own people ask.</param>
public sealed record NewUser(string Email, string Password, string Name, IReadOnlyList<string> Roles)
{
    public override string ToString() => "(user)";
}

public sealed record RolesGiven(IReadOnlyList<string> Roles);

/// <param name="Scopes">Permissions, of <see cref="Permission.Scopes"/>.</param>
public sealed record NewApiKey(string Name, IReadOnlyList<string> Scopes);

/// <param name="Secret">What calls are signed with; said once, when the key is issued.</param>
public sealed record ApiKeyView(Guid ApiKeyId, string Name, IReadOnlyList<string> Scopes, DateTimeOffset CreatedAt, DateTimeOffset? RevokedAt, string? Secret = null)
{
    public override string ToString() => $"(API key {ApiKeyId})";
}

public sealed record NewServiceToken(string ServiceName);

public sealed record ServiceToken(string AccessToken, string TokenType, int ExpiresIn)
{
    public override string ToString() => "(token)";
}

/// <summary>Public keys, as RFC 7517 writes them.</summary>
public sealed record KeySet(IReadOnlyList<PublicKey> Keys);

public sealed record PublicKey(string Kty, string Crv, string X, string Y, string Kid, string Alg, string Use);

// What happened. Facts are kept for good, so they carry no name and no e-mail address: those a person may have removed.

public sealed record UserRegistered(UserId UserId, TenantId TenantId, IReadOnlyList<string> Roles, string By, string Reason);
public sealed record UserLoggedIn(UserId UserId, TenantId TenantId, Guid SessionId, string Reason);
public sealed record UserLoggedOut(UserId UserId, TenantId TenantId, Guid SessionId, string Reason);
public sealed record UserPasswordChanged(UserId UserId, TenantId TenantId, string Reason);
public sealed record UserLocked(UserId UserId, TenantId TenantId, DateTimeOffset Until, string Reason);
public sealed record UserRolesChanged(UserId UserId, TenantId TenantId, IReadOnlyList<string> Roles, string By, string Reason);
public sealed record UserRemoved(UserId UserId, TenantId TenantId, string By, string Reason);
public sealed record ApiKeyIssued(Guid ApiKeyId, TenantId TenantId, IReadOnlyList<string> Scopes, string By, string Reason);
public sealed record ApiKeyRevoked(Guid ApiKeyId, TenantId TenantId, string By, string Reason);
