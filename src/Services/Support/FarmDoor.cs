using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.Foundation;
using MassTransit;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;

namespace FlatRender.Support;

/// <summary>The farm over HTTP: how it stands, why a render waits, and what support decides about nodes and limits. The render room answers, over the bus.</summary>
static class FarmDoor
{
    static readonly RequestTimeout Patience = RequestTimeout.After(s: 5);

    public static Task<IResult> ShowAsync([FromServices] IRequestClient<ShowFarm> farm, CancellationToken cancel) =>
        AskAsync<ShowFarm, FarmView>(farm, new ShowFarm(), view => Results.Json(view, Wire.Json), cancel);

    public static async Task<IResult> WaitingAsync(Guid id, Streams streams, [FromServices] IRequestClient<ExplainWait> farm, CancellationToken cancel)
    {
        var version = await streams.VersionAsync(id, cancel);
        if (version == 0) return Refuse.NotFound($"A render {id}");
        var last = (await streams.ReadAsync(id, version, version, cancel)).Single().Type;
        if (last is "render.job.done.v1" or "render.job.failed.v1" or "render.job.cancelled.v1")
            return Results.Json(new WaitExplained(new JobId(id), [new("OVER", $"It waits for nothing: its last fact is {last}.")], 0, 0, 0, []), Wire.Json);
        return await AskAsync<ExplainWait, WaitExplained>(farm, new ExplainWait(new JobId(id)), told => Results.Json(told, Wire.Json), cancel);
    }

    public static Task<IResult> DrainAsync(NodeId id, ReasonGiven? given, HttpContext http, [FromServices] IRequestClient<DrainNode> farm, [FromServices] Streams streams, CancellationToken cancel) =>
        DoAsync(streams, farm, new DrainNode(id, By(http), Why(given)), cancel);

    public static Task<IResult> QuarantineAsync(NodeId id, ReasonGiven? given, HttpContext http, [FromServices] IRequestClient<QuarantineNode> farm, [FromServices] Streams streams, CancellationToken cancel) =>
        DoAsync(streams, farm, new QuarantineNode(id, By(http), Why(given)), cancel);

    public static Task<IResult> ReleaseAsync(NodeId id, ReasonGiven? given, HttpContext http, [FromServices] IRequestClient<ReleaseNode> farm, [FromServices] Streams streams, CancellationToken cancel) =>
        DoAsync(streams, farm, new ReleaseNode(id, By(http), Why(given)), cancel);

    public static async Task<IResult> LimitAsync(NewLimit limit, HttpContext http, [FromServices] IRequestClient<SetLimit> farm, CancellationToken cancel)
    {
        if (limit.Scope is not ("tenant" or "template")) return Refuse.Invalid("BAD_LIMIT", "scope is tenant or template.");
        if (limit.Slots is < 0) return Refuse.Invalid("BAD_LIMIT", "slots is 0 or more; null lifts the limit.");
        if (limit.Key is { Length: > 0 } key && !Guid.TryParse(key, out _)) return Refuse.Invalid("BAD_LIMIT", "key is the id of a tenant or a template; empty, for all that have no limit of their own.");
        return await DoAsync(farm, new SetLimit(new SlotLimit(limit.Scope, limit.Key?.ToLowerInvariant() ?? "", limit.Slots), By(http), limit.Reason ?? "asked by support"), cancel);
    }

    // A node that was ever here has facts.
    static async Task<IResult> DoAsync<T>(Streams streams, IRequestClient<T> farm, T verb, CancellationToken cancel) where T : class, IAboutNode =>
        await streams.VersionAsync(verb.NodeId.Value, cancel) == 0 ? Refuse.NotFound($"A node {verb.NodeId}") : await DoAsync(farm, verb, cancel);

    static Task<IResult> DoAsync<T>(IRequestClient<T> farm, T verb, CancellationToken cancel) where T : class =>
        AskAsync<T, FarmAnswer>(farm, verb, answer => answer.Refusal is { } why ? Refuse.Conflict("NODE_STATE", why) : Results.Accepted(), cancel);

    static async Task<IResult> AskAsync<T, TAnswer>(IRequestClient<T> farm, T ask, Func<TAnswer, IResult> answer, CancellationToken cancel) where T : class where TAnswer : class
    {
        try
        {
            return answer((await farm.GetResponse<TAnswer>(ask, cancel, Patience)).Message);
        }
        catch (RequestException)
        {
            return Refuse.Unavailable("The farm does not answer.");
        }
    }

    static string By(HttpContext http) => $"user {Caller.Of(http).UserId}";

    static string Why(ReasonGiven? given) => given?.Reason is { Length: > 0 } reason ? reason : "asked by support";
}
