using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.Foundation;
using MassTransit;
using Microsoft.AspNetCore.Mvc;

namespace FlatRender.Gateway;

/// <summary>Renders over HTTP.</summary>
static class Renders
{
    static readonly NewRenderRules Rules = new();
    static readonly TimeSpan AnswerPatience = TimeSpan.FromSeconds(5);

    public static async Task<IResult> SubmitAsync(NewRender ask, [FromHeader(Name = "Idempotency-Key")] string? key, HttpContext http, Submission submission, CancellationToken cancel)
    {
        if (key is not null && (key.Length is 0 or > 200 || key.Contains('\0'))) return Refuse.Invalid("BAD_KEY", "An Idempotency-Key has 1 to 200 characters.");
        if (Rules.Problems(ask) is { Count: > 0 } problems) return Refuse.Invalid("BAD_REQUEST", problems[0].Message, problems);
        var (view, refusal) = await submission.SubmitAsync(Caller.Of(http), ask, key, cancel);
        if (refusal is not null)
        {
            // What may be different soon is worth another try.
            if (refusal is IStatusCodeHttpResult { StatusCode: StatusCodes.Status429TooManyRequests or StatusCodes.Status503ServiceUnavailable }) http.Response.Headers.RetryAfter = "5";
            return refusal;
        }

        http.Response.Headers.Location = $"/v1/renders/{view!.JobId}";
        return Results.Json(view, Wire.Json, statusCode: StatusCodes.Status202Accepted);
    }

    /// <param name="from">Submitted then or later (ISO 8601).</param>
    /// <param name="to">Submitted before.</param>
    /// <param name="title">Part of the title.</param>
    public static async Task<IResult> ListAsync(HttpContext http, JobViews views, LiveProgress live, CancellationToken cancel, int page = 1, int page_size = 20, string? step = null, DateTimeOffset? from = null, DateTimeOffset? to = null, string? title = null, ProjectId? project_id = null)
    {
        if (Paging.Problem(page, page_size) is { } problem) return problem;
        if (step is not null && !Step.All.Contains(step)) return Refuse.Invalid("BAD_STEP", $"A step is one of {string.Join(", ", Step.All)}.");
        var found = await views.ListAsync(Caller.Of(http).TenantId, new(step, from, to, title, project_id), page, page_size, cancel);
        return Results.Json(found with { Items = [.. found.Items.Select(live.Complete)] }, Wire.Json);
    }

    public static async Task<IResult> GetAsync(JobId id, HttpContext http, JobViews views, LiveProgress live, CancellationToken cancel) =>
        await views.FindAsync(Caller.Of(http).TenantId, id, cancel) is { } view ? Tagged.Json(http, live.Complete(view)) : Missing(id);

    public static Task<IResult> CancelAsync(JobId id, ReasonGiven? given, HttpContext http, JobViews views, LiveProgress live, Verbs verbs, Projections projections, CancellationToken cancel) =>
        TellAsync(id, given, http, views, live, verbs, projections,
            view => Step.IsTerminal(view.Step) && view.Step != Step.Cancelled ? Refuse.Conflict("NOT_CANCELLABLE", $"The render is {view.Step} already.") : null,
            (view, by) => new CancelRender(id, by, given?.Reason ?? "cancelled by its owner", view.Progress),
            view => view.Step == Step.Cancelled, cancel);

    public static async Task<IResult> RetryAsync(JobId id, ReasonGiven? given, HttpContext http, JobViews views, LiveProgress live, Till till, Verbs verbs, Projections projections, CancellationToken cancel)
    {
        var tenant = Caller.Of(http).TenantId;
        if (await views.FindAsync(tenant, id, cancel) is { Step: Step.Failed } failed && await till.HoldAgainAsync(tenant, failed, cancel) is { } unpaid) return unpaid;
        return await TellAsync(id, given, http, views, live, verbs, projections,
            view => view.Step is Step.Done or Step.Cancelled ? Refuse.Conflict("NOT_RETRYABLE", $"The render is {view.Step}; only a failed one can be retried.") : null,
            (_, by) => new RetryRender(id, by, given?.Reason ?? "retried by its owner"),
            view => view.Step != Step.Failed, cancel);
    }

    public static Task<IResult> FilmAsync(JobId id, HttpContext http, JobViews views, Blobs blobs, CancellationToken cancel) => FileAsync(id, http, views, blobs, film => film.Film, "video/mp4", "film.mp4", cancel);

    public static Task<IResult> ThumbnailAsync(JobId id, HttpContext http, JobViews views, Blobs blobs, CancellationToken cancel) => FileAsync(id, http, views, blobs, film => film.Thumbnail, "image/jpeg", null, cancel);

    static async Task<IResult> TellAsync(JobId id, ReasonGiven? given, HttpContext http, JobViews views, LiveProgress live, Verbs verbs, Projections projections,
        Func<RenderView, IResult?> refuse, Func<RenderView, string, IAboutRender> verb, Func<RenderView, bool> done, CancellationToken cancel)
    {
        if (given?.Reason is { } reason && (reason.Length > 1000 || reason.Contains('\0'))) return Refuse.Invalid("BAD_REASON", "A reason has at most 1000 characters.");
        var caller = Caller.Of(http);
        var (view, version) = await views.FindVersionAsync(caller.TenantId, id, cancel);
        if (view is null) return Missing(id);
        if (refuse(view) is { } refusal) return refusal;
        var by = caller.Name;
        if (!done(view)) await verbs.SayAsync(verb(live.Complete(view), by), by, cancel);
        // The answer shows what came of it; where that takes long, the render as it is.
        while (!done(view) && refuse(view) is null && await projections.WaitForAsync(JobViews.ProjectionName, id.Value, version + 1, AnswerPatience, cancel))
            (view, version) = await views.FindVersionAsync(caller.TenantId, id, cancel) is ({ } now, var at) ? (now, at) : (view, version + 1);
        return refuse(view) ?? Results.Json(live.Complete(view), Wire.Json, statusCode: StatusCodes.Status202Accepted);
    }

    static async Task<IResult> FileAsync(JobId id, HttpContext http, JobViews views, Blobs blobs, Func<(string Film, string Thumbnail), string> which, string type, string? name, CancellationToken cancel)
    {
        var tenant = Caller.Of(http).TenantId;
        if (await views.FindFilmAsync(tenant, id, cancel) is not { } film)
            return await views.FindAsync(tenant, id, cancel) is { } view ? Refuse.Conflict("NOT_DONE", $"The render is {view.Step}: there is no film yet.") : Missing(id);
        var digest = which(film);
        return blobs.Exists(digest) ? Results.File(blobs.PathOf(digest), type, name, entityTag: new($"\"{digest}\""), enableRangeProcessing: true) : Refuse.Unavailable("The file is not in this place's store.");
    }

    static IResult Missing(JobId id) => Refuse.NotFound($"Render {id}");
}
