using System.Security.Cryptography;
using System.Text.Json;
using FlatRender.Contracts;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace FlatRender.Foundation;

/// <summary>How often one caller (or, not signed in, one address) may call; metadata of an endpoint. The host keeps count.</summary>
/// <param name="Name">Endpoints of one name share their count.</param>
public sealed record Rate(string Name, int Calls, TimeSpan Per)
{
    /// <summary>Where someone could guess passwords or tokens.</summary>
    public static readonly Rate Guessing = new("guessing", 30, TimeSpan.FromMinutes(1));

    public static readonly Rate Usual = new("usual", 3000, TimeSpan.FromMinutes(1));

    /// <summary>A program's, counted for each key by itself.</summary>
    public static readonly Rate Programs = new("programs", 600, TimeSpan.FromMinutes(1));
}

/// <summary>Pages of lists: <c>?page=1&amp;page_size=20</c>.</summary>
public static class Paging
{
    public static IResult? Problem(int page, int size) =>
        page is < 1 or > 1_000_000 || size is < 1 or > 100 ? Refuse.Invalid("BAD_PAGE", "page is 1 to 1000000; page_size is 1 to 100.") : null;
}

/// <summary>Answers with an ETag: who has the same already is told so (304) instead.</summary>
public static class Tagged
{
    public static IResult Json<T>(HttpContext http, T view, string? tag = null)
    {
        var body = JsonSerializer.SerializeToUtf8Bytes(view, Wire.Json);
        tag ??= $"\"{Convert.ToHexStringLower(SHA256.HashData(body).AsSpan(0, 16))}\"";
        http.Response.Headers.ETag = tag;
        return http.Request.Headers.IfNoneMatch.ToString().Split(',', StringSplitOptions.TrimEntries).Contains(tag) ? Results.StatusCode(StatusCodes.Status304NotModified) : Results.Bytes(body, "application/json");
    }
}

/// <summary>What an endpoint tells of itself: the contract documents are made from it.</summary>
public static class Told
{
    /// <param name="name">Its operation's id: unique in the whole house.</param>
    /// <param name="refusals">Beyond those that any call may meet.</param>
    public static RouteHandlerBuilder Tells<T>(this RouteHandlerBuilder endpoint, string name, string summary, int status, params IEnumerable<int> refusals) => Refusing(endpoint.Produces<T>(status), name, summary, refusals);

    /// <summary>With an answer that is no JSON, or none.</summary>
    public static RouteHandlerBuilder Tells(this RouteHandlerBuilder endpoint, string name, string summary, int status, string? type, params IEnumerable<int> refusals) => Refusing(endpoint.Produces(status, null, type), name, summary, refusals);

    static RouteHandlerBuilder Refusing(RouteHandlerBuilder endpoint, string name, string summary, IEnumerable<int> refusals)
    {
        int[] any = [StatusCodes.Status400BadRequest, StatusCodes.Status401Unauthorized, StatusCodes.Status403Forbidden, StatusCodes.Status429TooManyRequests, StatusCodes.Status500InternalServerError, StatusCodes.Status503ServiceUnavailable];
        foreach (var refusal in any.Concat(refusals)) endpoint.Produces<ErrorEnvelope>(refusal);
        return endpoint.WithName(name).WithSummary(summary);
    }
}
