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
        ProjectsRead = "projects:read", ProjectsWrite = "projects:write", CreditsRead = "credits:read", UsersManage = "users:manage", ApiKeysManage = "api_keys:manage",
        SupportRead = "support:read", SupportWrite = "support:write";

    static readonly string[] Member = [RendersRead, RendersWrite, TemplatesRead, TemplatesWrite, ProjectsRead, ProjectsWrite, CreditsRead];

    /// <summary>What an API key may be given: what a tenant's own programs need.</summary>
    public static readonly IReadOnlyList<string> Scopes = Member;

    public static IReadOnlyList<string> Of(params IEnumerable<string> roles) => [.. roles.SelectMany(Of).Distinct().Order(StringComparer.Ordinal)];

    static string[] Of(string role) => role switch
    {
        Role.Owner => [.. Member, UsersManage, ApiKeysManage],
        Role.Member => Member,
        Role.Support => [SupportRead, SupportWrite],
        Role.Auditor => [SupportRead],
        _ => [],
    };
}
