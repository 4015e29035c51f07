using System.Net.Http.Json;
using FlatRender.Contracts;
using FlatRender.TestKit;

namespace FlatRender.Gateway.Tests;

/// <summary>A tenant's own program, that signs its calls as the page for resellers tells it to.</summary>
public sealed record Signer(Guid Key, string Secret, HandClock Clock)
{
    public static async Task<Signer> IssueAsync(Server server, Person owner, params IReadOnlyList<string> scopes)
    {
        var key = await owner.Client.AskAsync<ApiKeyView>(HttpMethod.Post, "/v1/api-keys", new NewApiKey("a program's", scopes), 201);
        return new(key.ApiKeyId, key.Secret!, server.Clock);
    }

    public HttpRequestMessage Call(HttpMethod method, string path, object? body = null, string? idempotencyKey = null) =>
        Signed(new(method, path) { Content = body as HttpContent ?? (body is null ? null : JsonContent.Create(body, body.GetType(), options: Wire.Json)) }, idempotencyKey: idempotencyKey);

    public HttpRequestMessage Signed(HttpRequestMessage request, string? nonce = null, TimeSpan off = default, string? idempotencyKey = null)
    {
        using var body = new MemoryStream();
        request.Content?.CopyTo(body, null, default);
        var (digest, at) = (CallSignature.DigestOf(body.ToArray()), (Clock.GetUtcNow() + off).ToUnixTimeSeconds());
        nonce ??= Ids.New().ToString("N");
        var target = request.RequestUri!.IsAbsoluteUri ? request.RequestUri.PathAndQuery : new Uri(new Uri("http://x"), request.RequestUri).PathAndQuery;
        var signature = CallSignature.Of(Secret, request.Method.Method, target, digest, at, nonce, idempotencyKey);
        foreach (var (name, value) in new[] { (SignedHeaders.Key, $"{Key}"), (SignedHeaders.Timestamp, $"{at}"), (SignedHeaders.Nonce, nonce), (SignedHeaders.Digest, digest), (SignedHeaders.Signature, signature) })
            if (!request.Headers.Contains(name)) request.Headers.Add(name, value);
        if (idempotencyKey is not null) request.Headers.Add("Idempotency-Key", idempotencyKey);
        return request;
    }
}
