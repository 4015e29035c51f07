using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.Foundation;
using Microsoft.AspNetCore.Http;

namespace FlatRender.Support;

/// <summary>What the projections know, over HTTP, and how they stand.</summary>
static class Inquiries
{
    public static async Task<IResult> SearchAsync(AuditSearch search, CancellationToken cancel, string? q = null, int page = 1, int page_size = 50)
    {
        if (string.IsNullOrWhiteSpace(q)) return Refuse.Invalid("BAD_QUERY", "q holds what to look for: words of a type, a reason or an actor, or any id.");
        return BadPage(page, page_size) ?? Results.Json(await search.FindAsync(q, page, page_size, cancel), Wire.Json);
    }

    public static async Task<IResult> NodesAsync(NodeView nodes, CancellationToken cancel) => Results.Json(await nodes.ListAsync(cancel), Wire.Json);

    /// <param name="tenant">None: all tenants.</param>
    /// <param name="from">First day (yyyy-MM-dd); none: from the beginning.</param>
    /// <param name="to">Last day; none: to the end.</param>
    public static async Task<IResult> UsageAsync(TenantUsage usage, CancellationToken cancel, Guid? tenant = null, DateOnly? from = null, DateOnly? to = null) =>
        Results.Json(await usage.ListAsync(tenant, from ?? DateOnly.MinValue, to ?? DateOnly.MaxValue, cancel), Wire.Json);

    public static async Task<IResult> ProjectionsAsync(Projections projections, CancellationToken cancel) => Results.Json(await projections.StatusAsync(cancel), Wire.Json);

    public static async Task<IResult> RebuildAsync(string name, Projections projections, CancellationToken cancel) =>
        await projections.RequestRebuildAsync(name, cancel) ? await OneAsync(name, projections, StatusCodes.Status202Accepted, cancel) : Refuse.NotFound($"Projection {name}");

    public static async Task<IResult> ResumeAsync(string name, Projections projections, CancellationToken cancel) =>
        await projections.ResumeAsync(name, cancel) ? await OneAsync(name, projections, StatusCodes.Status200OK, cancel) : Refuse.NotFound($"Projection {name}");

    static async Task<IResult> OneAsync(string name, Projections projections, int status, CancellationToken cancel) =>
        Results.Json((await projections.StatusAsync(cancel)).Single(p => p.Name == name), Wire.Json, statusCode: status);

    static IResult? BadPage(int page, int size) => page < 1 || size is < 1 or > 200 ? Refuse.Invalid("BAD_PAGE", "page starts at 1; page_size is 1 to 200.") : null;
}
