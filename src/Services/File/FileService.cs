using FlatRender.Contracts;
using FlatRender.Foundation;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace FlatRender.File;

/// <summary>Blobs over HTTP, for nodes: by digest, so that a transfer proves itself.</summary>
public sealed class FileService : Service
{
    /// <summary>Bytes of one blob at most: a long 4K film.</summary>
    const long MaxBlobBytes = 64L << 30;

    public override string Role => "file";

    public override void Register(IServiceCollection services)
    {
    }

    public override void Map(IEndpointRouteBuilder routes)
    {
        var files = routes.MapGroup("/v1/files").ForNodes().WithTags("files");
        files.DisableRequestTimeout();
        files.MapGet("{digest}", Get).Tells("GetFile", "A file by its digest, whole or in ranges.", 200, "application/octet-stream", 404, 416).Produces(206, null, "application/octet-stream");
        files.MapPut("{digest}", PutAsync).Accepts<byte[]>("application/octet-stream").Tells("PutFile", "Takes in a file whose bytes have this digest.", 201, null, 413, 422).Produces(204);
    }

    static IResult Get(string digest, Blobs blobs) =>
        Blobs.IsDigest(digest) && blobs.Exists(digest)
            ? Results.File(blobs.PathOf(digest), "application/octet-stream", enableRangeProcessing: true)
            : Refuse.NotFound($"File {digest}");

    static async Task<IResult> PutAsync(string digest, HttpContext http, Blobs blobs, CancellationToken cancel)
    {
        if (!Blobs.IsDigest(digest)) return Refuse.Invalid("BAD_DIGEST", "A file is named by the SHA-256 of its bytes, in lower-case hex.");
        if (http.Features.Get<Microsoft.AspNetCore.Http.Features.IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit) limit.MaxRequestBodySize = MaxBlobBytes;
        if (blobs.Exists(digest))
        {
            // Who is still sending would find its connection cut, and send all of it again.
            await http.Request.Body.CopyToAsync(Stream.Null, cancel);
            return Results.NoContent();
        }
        var (found, _) = await blobs.SaveAsync(http.Request.Body, cancel);
        return found == digest
            ? Results.StatusCode(StatusCodes.Status201Created)
            : Refuse.Invalid("DIGEST_MISMATCH", $"The bytes that arrived have the digest {found}.");
    }
}
