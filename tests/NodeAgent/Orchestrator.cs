using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Threading.Channels;
using FlatRender.Contracts;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace FlatRender.NodeAgent.Tests;

/// <summary>The other side of the node protocol, in memory, with switches for what a host may do.</summary>
public sealed class Orchestrator : IAsyncDisposable
{
    public const string Token = "node-token-of-the-tests", Secret = "orchestrator-secret-of-the-tests";
    readonly WebApplication _app;
    // A node refuses too large a body before it has come: a client that did not ask first may meet a closed pipe instead of the answer.
    readonly HttpClient _http = new(new SocketsHttpHandler { Expect100ContinueTimeout = TestTime.Patience });
    readonly Channel<NodeResult> _results = Channel.CreateUnbounded<NodeResult>();
    readonly Channel<NodeRegistration> _registrations = Channel.CreateUnbounded<NodeRegistration>();
    readonly ConcurrentDictionary<Guid, TaskCompletionSource<NodeResult>> _waiting = [];

    Orchestrator(WebApplication app) => _app = app;

    public ConcurrentDictionary<string, byte[]> Blobs { get; } = [];
    public ConcurrentQueue<NodeProgress> Progress { get; } = [];
    public Channel<NodeHeartbeat> Beats { get; } = Channel.CreateUnbounded<NodeHeartbeat>();
    public TaskCompletionSource Left { get; } = new();
    public ConcurrentBag<LeaseId> ToAbort { get; } = [];
    public volatile bool Drains;
    /// <summary>What the next results are answered with, before 204.</summary>
    public ConcurrentQueue<HttpStatusCode> ResultAnswers { get; } = [];
    public ConcurrentQueue<HttpStatusCode> RegistrationAnswers { get; } = [];
    public volatile bool ForgetsNodes;
    /// <summary>Answers instead of the door of files, where it is set, unless it says false.</summary>
    public volatile Func<HttpContext, Task<bool>>? FileDoor;
    /// <summary>The goodbye is answered after it.</summary>
    public volatile Task BeforeGoodbye = Task.CompletedTask;
    /// <summary>The traceparent that each result came with.</summary>
    public ConcurrentDictionary<LeaseId, string> Traces { get; } = [];
    public int ResultPosts;
    public int Puts;
    public Uri Url => new(_app.Urls.First());

    public static async Task<Orchestrator> Start(int port = 0)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls($"http://127.0.0.1:{port}").ConfigureKestrel(o => o.Limits.MaxRequestBodySize = null);
        var app = builder.Build();
        var host = new Orchestrator(app);
        host.Map();
        await app.StartAsync();
        return host;
    }

    void Map()
    {
        _app.Use(async (context, next) =>
        {
            if (context.Request.Headers.Authorization != $"Bearer {Token}") context.Response.StatusCode = 401;
            else if (!context.Request.Path.StartsWithSegments("/v1/files") || FileDoor is not { } door || !await door(context)) await next(context);
        });
        _app.MapPost("/v1/nodes", async (HttpRequest request) =>
        {
            if (RegistrationAnswers.TryDequeue(out var answer)) return Results.StatusCode((int)answer);
            await _registrations.Writer.WriteAsync(await Read<NodeRegistration>(request));
            ForgetsNodes = false;
            return Results.Json(new NodeWelcome(0.2), Wire.Json);
        });
        _app.MapPost("/v1/nodes/{id}/heartbeat", async (HttpRequest request) =>
        {
            await Beats.Writer.WriteAsync(await Read<NodeHeartbeat>(request));
            return Orders();
        });
        _app.MapPost("/v1/nodes/{id}/progress", async (HttpRequest request) =>
        {
            Progress.Enqueue(await Read<NodeProgress>(request));
            return Orders();
        });
        _app.MapPost("/v1/nodes/{id}/results", async (HttpRequest request) =>
        {
            Interlocked.Increment(ref ResultPosts);
            if (ResultAnswers.TryDequeue(out var answer)) return Results.StatusCode((int)answer);
            if (ForgetsNodes) return Results.NotFound();
            var result = await Read<NodeResult>(request);
            Traces[result.LeaseId] = request.Headers.TraceParent.ToString();
            Waiting(result.LeaseId).TrySetResult(result);
            return Results.NoContent();
        });
        _app.MapPost("/v1/nodes/{id}/leave", async () =>
        {
            Left.TrySetResult();
            await BeforeGoodbye;
            return Results.NoContent();
        });
        _app.MapGet("/v1/files/{digest}", (string digest) => Blobs.TryGetValue(digest, out var bytes) ? Results.Bytes(bytes) : Results.NotFound());
        _app.MapPut("/v1/files/{digest}", async (string digest, HttpRequest request) =>
        {
            Interlocked.Increment(ref Puts);
            using var body = new MemoryStream();
            await request.Body.CopyToAsync(body);
            if (Digest(body.ToArray()) != digest) return Results.BadRequest();
            Blobs[digest] = body.ToArray();
            return Results.NoContent();
        });
    }

    IResult Orders() => ForgetsNodes ? Results.NotFound() : Results.Json(new NodeOrders([.. ToAbort], Drains), Wire.Json);

    static async Task<T> Read<T>(HttpRequest request) => (await JsonSerializer.DeserializeAsync<T>(request.Body, Wire.Json))!;

    public static string Digest(byte[] bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));

    public string Store(byte[] bytes)
    {
        var digest = Digest(bytes);
        Blobs[digest] = bytes;
        return digest;
    }

    public string Store(object json) => Store(JsonSerializer.SerializeToUtf8Bytes(json, Wire.Json));

    public async Task<NodeRegistration> Registered() => await _registrations.Reader.ReadAsync().AsTask().WaitAsync(TestTime.Patience);

    TaskCompletionSource<NodeResult> Waiting(LeaseId lease) => _waiting.GetOrAdd(lease.Value, _ => new(TaskCreationOptions.RunContinuationsAsynchronously));

    public Task<NodeResult> Result(LeaseId lease) => Waiting(lease).Task.WaitAsync(TestTime.Patience);

    /// <summary>A signed call to the node; each part can be spoilt.</summary>
    public async Task<(HttpStatusCode Status, string Body)> Call(string node, HttpMethod method, string path, byte[]? body = null, string secret = Secret, string? nonce = null, long? timestamp = null, byte[]? sent = null, bool signed = true)
    {
        body ??= [];
        nonce ??= Guid.NewGuid().ToString("N");
        var at = timestamp ?? TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();
        using var request = new HttpRequestMessage(method, node + path);
        if ((sent ?? body).Length > 0) request.Content = new ByteArrayContent(sent ?? body);
        request.Headers.ExpectContinue = (sent ?? body).Length > 0;
        if (signed)
        {
            request.Headers.Add(NodeHeaders.Signature, CallSignature.Of(secret, method.Method, path, CallSignature.DigestOf(body), at, nonce));
            request.Headers.Add(NodeHeaders.Timestamp, at.ToString(System.Globalization.CultureInfo.InvariantCulture));
            request.Headers.Add(NodeHeaders.Nonce, nonce);
        }
        using var answer = await _http.SendAsync(request);
        return (answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }

    public async Task<HttpStatusCode> Assign(string node, NodeTask task) => (await Call(node, HttpMethod.Post, "/v1/tasks", JsonSerializer.SerializeToUtf8Bytes(task, Wire.Json))).Status;

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _app.DisposeAsync();
    }
}

public static class TestTime
{
    /// <summary>How long a test waits for what should come soon, on a machine that is busy with other things.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);
}
