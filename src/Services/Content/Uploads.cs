using System.Text.Json;
using FlatRender.Contracts;
using FlatRender.Foundation;
using MassTransit;
using Microsoft.AspNetCore.Http;

namespace FlatRender.Content;

/// <summary>The template shelf over HTTP.</summary>
static class Uploads
{
    /// <summary>A bundle as JSON, at most this many bytes: fonts and images travel inside it.</summary>
    public const long MaxBundleBytes = 96L << 20;

    public static async Task<IResult> UploadAsync(HttpContext http, TemplateShelf shelf, Blobs blobs, TimeProvider clock, CancellationToken cancel)
    {
        if (http.Features.Get<Microsoft.AspNetCore.Http.Features.IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit) limit.MaxRequestBodySize = MaxBundleBytes;
        var (digest, _) = await blobs.SaveAsync(http.Request.Body, cancel);
        string? name;
        await using (var file = blobs.Open(digest))
        {
            // Only the envelope is looked at here; what is inside is checked when a render is prepared.
            var problem = BundleProblem(await ParseAsync(file, cancel), out name);
            if (problem is not null) return Refuse.Invalid("BAD_TEMPLATE", problem);
        }

        var caller = Caller.Of(http);
        // The same bundle uploaded twice is the same template.
        var view = new TemplateView(new TemplateId(Ids.Derived(caller.TenantId.Value, digest)), name!, digest, clock.GetUtcNow());
        await shelf.AddAsync(caller.TenantId, view, cancel);
        // The one that was first keeps its time.
        view = await shelf.FindAsync(caller.TenantId, view.TemplateId, cancel) ?? view;
        http.Response.Headers.Location = $"/v1/templates/{view.TemplateId}";
        return Results.Json(view, Wire.Json, statusCode: StatusCodes.Status201Created);
    }

    public static async Task<IResult> ListAsync(HttpContext http, TemplateShelf shelf, CancellationToken cancel, int page = 1, int page_size = 20) =>
        Paging.Problem(page, page_size) ?? Results.Json(await shelf.ListAsync(Caller.Of(http).TenantId, page, page_size, cancel), Wire.Json);

    public static async Task<IResult> GetAsync(TemplateId id, HttpContext http, TemplateShelf shelf, CancellationToken cancel) =>
        await shelf.FindAsync(Caller.Of(http).TenantId, id, cancel) is { } view ? Tagged.Json(http, view) : Refuse.NotFound($"Template {id}");

    static async Task<JsonDocument?> ParseAsync(Stream file, CancellationToken cancel)
    {
        try
        {
            var document = await JsonDocument.ParseAsync(file, new JsonDocumentOptions { MaxDepth = 512 }, cancel);
            // Half a character (\ud800) is found when the name is read, not before.
            if (document.RootElement.ValueKind == JsonValueKind.Object && document.RootElement.TryGetProperty("name", out var name) && name.ValueKind == JsonValueKind.String) name.GetString();
            return document;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    static string? BundleProblem(JsonDocument? document, out string? name)
    {
        name = null;
        using (document)
        {
            if (document is null) return "The body is not JSON.";
            var root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object) return "The body is not a JSON object.";
            if (!root.TryGetProperty("lottie", out _)) return "The bundle has no member 'lottie'.";
            if (!root.TryGetProperty("name", out var given) || given.ValueKind != JsonValueKind.String || given.GetString() is not { Length: > 0 and <= 200 } text || text.Any(char.IsControl)) return "The bundle needs a 'name' of 1 to 200 characters.";
            name = text;
            return null;
        }
    }
}

/// <summary>Answers other rooms that ask for a template of a tenant.</summary>
public sealed class FindTemplateConsumer(TemplateShelf shelf) : IConsumer<FindTemplate>
{
    public async Task Consume(ConsumeContext<FindTemplate> context) =>
        await context.RespondAsync(new FoundTemplate(await shelf.FindAsync(context.Message.TenantId, context.Message.TemplateId, context.CancellationToken)));
}
