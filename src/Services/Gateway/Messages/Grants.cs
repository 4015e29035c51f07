namespace FlatRender.Gateway.Messages;

/// <summary>Permissions as microservices read them: <c>{microservice}.{resource}.{action}</c>.</summary>
static class Grants
{
    const string House = "flatrender";

    /// <summary>Ours (<c>renders:read</c>) become <c>flatrender.renders.read</c>; blanks around a permission go, and what is no permission is nobody's.</summary>
    public static IReadOnlyList<string> Of(IEnumerable<string> claims) => [.. claims.Select(Normal).OfType<string>().Distinct()];

    /// <returns>Null: it is no permission. One that held a separator could be read as two.</returns>
    public static string? Normal(string permission)
    {
        permission = permission.Trim();
        if (permission.Split(':') is [{ Length: > 0 } resource, { Length: > 0 } action]) permission = $"{House}.{resource}.{action}";
        return permission.Split('.') is [{ Length: > 0 }, { Length: > 0 }, { Length: > 0 }] && permission.All(c => c is '.' or '-' or '_' or '*' || char.IsLetterOrDigit(c)) ? permission : null;
    }
}
