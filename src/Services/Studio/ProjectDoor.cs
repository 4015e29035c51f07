using System.Globalization;
using System.Text.Json;
using FlatRender.Contracts;
using FlatRender.Foundation;
using MassTransit;
using Microsoft.AspNetCore.Mvc;

namespace FlatRender.Studio;

/// <summary>Projects and snapshots over HTTP.</summary>
static class ProjectDoor
{
    const int MostInputs = 500, LongestKey = 200, MostPixels = 16384;

    public static async Task<IResult> ListAsync(HttpContext http, ProjectShelf shelf, CancellationToken cancel, int page = 1, int page_size = 20) =>
        Paging.Problem(page, page_size) ?? Results.Json(await shelf.ListAsync(Caller.Of(http).TenantId, page, page_size, cancel), Wire.Json);

    public static async Task<IResult> CreateAsync(NewProject ask, [FromHeader(Name = "Idempotency-Key")] string? key, HttpContext http, Studio studio, Blobs blobs, IRequestClient<FindTemplate> templates, ProjectShelf shelf, CancellationToken cancel)
    {
        if (key is { Length: 0 or > 200 }) return Refuse.Invalid("BAD_KEY", "An Idempotency-Key has 1 to 200 characters.");
        var caller = Caller.Of(http);
        if (await ProblemAsync(ask, caller, templates, cancel) is { } refusal) return refusal;
        var id = new ProjectId(key is null ? Ids.New() : Ids.Derived(caller.TenantId.Value, "project " + key));
        if (!await studio.CreateAsync(caller.TenantId, id, await ContentAsync(ask, blobs, cancel), caller.Name, cancel))
            return Refuse.Invalid("IDEMPOTENCY_CONFLICT", "This Idempotency-Key was first sent with another request. Another project needs another key.");
        http.Response.Headers.Location = $"/v1/projects/{id}";
        return await AnswerAsync(id, http, studio, shelf, StatusCodes.Status201Created, cancel);
    }

    public static Task<IResult> GetAsync(ProjectId id, HttpContext http, Studio studio, ProjectShelf shelf, CancellationToken cancel) => AnswerAsync(id, http, studio, shelf, StatusCodes.Status200OK, cancel);

    public static async Task<IResult> ChangeAsync(ProjectId id, NewProject ask, [FromHeader(Name = "If-Match")] string? match, HttpContext http, Studio studio, Blobs blobs, IRequestClient<FindTemplate> templates, ProjectShelf shelf, CancellationToken cancel)
    {
        var caller = Caller.Of(http);
        if (await shelf.FindAsync(caller.TenantId, id, cancel) is null) return Missing(id);
        if (await ProblemAsync(ask, caller, templates, cancel) is { } refusal) return refusal;
        return await studio.ChangeAsync(caller.TenantId, id, Version(match), await ContentAsync(ask, blobs, cancel), caller.Name, cancel) switch
        {
            Outcome.Done => await AnswerAsync(id, http, studio, shelf, StatusCodes.Status200OK, cancel),
            Outcome.Missing => Missing(id),
            _ => Changed(),
        };
    }

    public static async Task<IResult> DeleteAsync(ProjectId id, [FromHeader(Name = "If-Match")] string? match, HttpContext http, Studio studio, CancellationToken cancel)
    {
        var caller = Caller.Of(http);
        return await studio.DeleteAsync(caller.TenantId, id, Version(match), caller.Name, cancel) switch
        {
            Outcome.Done => Results.NoContent(),
            Outcome.Missing => Missing(id),
            _ => Changed(),
        };
    }

    public static async Task<IResult> TakeSnapshotAsync(ProjectId id, HttpContext http, Studio studio, CancellationToken cancel)
    {
        var caller = Caller.Of(http);
        if (await studio.TakeSnapshotAsync(caller.TenantId, id, caller.Name, cancel) is not { } taken) return Missing(id);
        http.Response.Headers.Location = $"/v1/snapshots/{taken.View.SnapshotId}";
        return Results.Json(await studio.FilledAsync(taken, cancel), Wire.Json, statusCode: StatusCodes.Status201Created);
    }

    public static async Task<IResult> SnapshotsAsync(ProjectId id, HttpContext http, ProjectShelf shelf, CancellationToken cancel, int page = 1, int page_size = 20) =>
        Paging.Problem(page, page_size)
        ?? (await shelf.FindAsync(Caller.Of(http).TenantId, id, cancel) is null ? Missing(id) : Results.Json(await shelf.SnapshotsAsync(Caller.Of(http).TenantId, id, page, page_size, cancel), Wire.Json));

    public static async Task<IResult> SnapshotAsync(SnapshotId id, HttpContext http, Studio studio, ProjectShelf shelf, CancellationToken cancel) =>
        await shelf.FindSnapshotAsync(Caller.Of(http).TenantId, id, cancel) is { } found ? Tagged.Json(http, await studio.FilledAsync(found, cancel)) : Refuse.NotFound($"Snapshot {id}");

    static async Task<IResult> AnswerAsync(ProjectId id, HttpContext http, Studio studio, ProjectShelf shelf, int status, CancellationToken cancel)
    {
        if (await shelf.FindAsync(Caller.Of(http).TenantId, id, cancel) is not { } found) return Missing(id);
        var view = await studio.FilledAsync(found, cancel);
        if (status == StatusCodes.Status200OK) return Tagged.Json(http, view, Tag(view.Version));
        http.Response.Headers.ETag = Tag(view.Version);
        return Results.Json(view, Wire.Json, statusCode: status);
    }

    static async Task<IResult?> ProblemAsync(NewProject ask, Caller caller, IRequestClient<FindTemplate> templates, CancellationToken cancel)
    {
        var problems = new List<Problem>();
        if (ask.Name is not { Length: > 0 and <= 200 } || ask.Name.Any(char.IsControl)) problems.Add(new("name", "BAD_NAME", "A name has 1 to 200 characters."));
        if (ask.Inputs is { } inputs && (inputs.Count > MostInputs || inputs.Any(i => i.Key.Length is 0 or > LongestKey || i.Value is null))) problems.Add(new("inputs", "BAD_INPUT", $"At most {MostInputs} inputs, each with a key of 1 to {LongestKey} characters and a text as its value."));
        if (ask.Width is < 1 or > MostPixels || ask.Height is < 1 or > MostPixels) problems.Add(new(ask.Width is < 1 or > MostPixels ? "width" : "height", "BAD_SIZE", $"A size is 1 to {MostPixels} pixels."));
        if (ask.Fps is { Length: 0 or > 32 } || ask.Fps?.Contains('\0') == true) problems.Add(new("fps", "BAD_FPS", "A frame rate looks like 30, 29.97 or 30000/1001."));
        if (ask.Background is { Length: not 7 } || ask.Background?.Contains('\0') == true) problems.Add(new("background", "BAD_COLOUR", "A background looks like #rrggbb."));
        if (problems.Count > 0) return Refuse.Invalid("BAD_PROJECT", problems[0].Message, problems);
        var found = await templates.GetResponse<FoundTemplate>(new FindTemplate(caller.TenantId, ask.TemplateId), cancel);
        return found.Message.Template is null ? Refuse.Invalid("BAD_PROJECT", $"Template {ask.TemplateId} does not exist.", new Problem("template_id", "NOT_FOUND", $"Template {ask.TemplateId} does not exist.")) : null;
    }

    static async Task<ProjectContent> ContentAsync(NewProject ask, Blobs blobs, CancellationToken cancel)
    {
        // In the order of their keys: the same inputs are the same blob.
        var inputs = new SortedDictionary<string, string>((ask.Inputs ?? new Dictionary<string, string>()).ToDictionary(), StringComparer.Ordinal);
        var (digest, _) = await blobs.SaveAsync(JsonSerializer.SerializeToUtf8Bytes(inputs, Wire.Json), cancel);
        return new(ask.Name, ask.TemplateId, digest, ask.Width, ask.Height, ask.Fps, ask.Background);
    }

    static string Tag(long version) => $"\"{version}\"";

    // A tag that is none of ours matches nothing.
    static long? Version(string? match) => match is null or "*" ? null : long.TryParse(match.Trim('"'), NumberStyles.None, CultureInfo.InvariantCulture, out var version) ? version : -1;

    static IResult Missing(ProjectId id) => Refuse.NotFound($"Project {id}");
    static IResult Changed() => Refuse.With(StatusCodes.Status412PreconditionFailed, "CHANGED", "Someone has changed it since. Read it again, then decide.");
}
