using System.Collections.Concurrent;
using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using FlatRender.Contracts;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace FlatRender.Bench;

/// <summary>What a meddler saw and did; one for all nodes.</summary>
sealed class FaultBook
{
    public ConcurrentDictionary<JobId, TaskCompletionSource<int>> Films { get; } = [];
    public ConcurrentDictionary<(int Film, int Chunk), Fault> Outside { get; } = [];
    /// <summary>Outside faults that struck, and what came of them.</summary>
    public ConcurrentDictionary<int, string> Struck { get; } = [];
    public ConcurrentBag<(int Film, int Chunk, string Code)> Failures { get; } = [];
    public ConcurrentDictionary<int, int> Drawn { get; } = [];
    public ConcurrentBag<Task> Late { get; } = [];

    public TaskCompletionSource<int> FilmOf(JobId job) => Films.GetOrAdd(job, _ => new(TaskCreationOptions.RunContinuationsAsynchronously));
}

/// <summary>Stands between one node of one slot and its host, both ways, and spoils what a plan names.</summary>
sealed class Meddler : IAsyncDisposable
{
    static readonly TimeSpan LongEnough = TimeSpan.FromSeconds(12);
    readonly WebApplication _app;
    readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(100) };
    readonly Yard _yard;
    readonly string _node;
    readonly FaultBook _book;
    readonly TimeProvider _clock;
    string _door = "";
    (NodeTask Task, int Film, Fault? Fault)? _current;
    int _puts;

    Meddler(WebApplication app, Yard yard, string node, FaultBook book, TimeProvider clock) => (_app, _yard, _node, _book, _clock) = (app, yard, node, book, clock);

    public string Url => _app.Urls.First();

    public static async Task<Meddler> StartAsync(Yard yard, string node, FaultBook book, TimeProvider clock)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0").ConfigureKestrel(o => o.Limits.MaxRequestBodySize = null);
        var meddler = new Meddler(builder.Build(), yard, node, book, clock);
        meddler._app.Run(meddler.PassAsync);
        await meddler._app.StartAsync();
        return meddler;
    }

    async Task PassAsync(HttpContext context)
    {
        var request = context.Request;
        using var memory = new MemoryStream();
        await request.Body.CopyToAsync(memory, context.RequestAborted);
        var (body, path) = (memory.ToArray(), request.Path.Value ?? "");
        var toNode = path is "/v1/status" or "/v1/drain" or "/v1/capabilities" or "/v1/health" || path.StartsWith("/v1/tasks", StringComparison.Ordinal);
        if (path == "/v1/nodes") body = Renamed(body);
        if (path == "/v1/tasks") await NoteAsync(body);
        if (request.Method == "PUT") body = await PutAsync(context, body) ?? [];
        if (context.Response.HasStarted) return;
        if (path.EndsWith("/results", StringComparison.Ordinal) && await KeptAsync(context, body)) return;

        using var answer = await SendAsync(toNode ? _door : _yard.Url, request, body, context.RequestAborted);
        context.Response.StatusCode = (int)answer.StatusCode;
        var back = await answer.Content.ReadAsByteArrayAsync(context.RequestAborted);
        if (answer.Content.Headers.ContentType is { } type) context.Response.ContentType = type.ToString();
        if (path.EndsWith("/results", StringComparison.Ordinal)) Taken(body, answer.StatusCode);
        if (request.Method == "PUT" && _current?.Fault is { Kind: "upload-cut" or "upload-flip" } spoilt && _puts == 1) _book.Struck[spoilt.Id] = $"{(int)answer.StatusCode}";
        if (back.Length > 0) await context.Response.Body.WriteAsync(back, context.RequestAborted);
    }

    async Task<HttpResponseMessage> SendAsync(string to, HttpRequest request, byte[] body, CancellationToken stop)
    {
        using var sent = new HttpRequestMessage(new HttpMethod(request.Method), to + request.Path + request.QueryString);
        if (body.Length > 0 || request.Method is "POST" or "PUT") sent.Content = new ByteArrayContent(body);
        foreach (var (name, values) in request.Headers)
            if (name is "Authorization" or NodeHeaders.Signature or NodeHeaders.Timestamp or NodeHeaders.Nonce) sent.Headers.TryAddWithoutValidation(name, values.ToArray());
            else if (name == "Content-Type" && sent.Content is { } content) content.Headers.TryAddWithoutValidation(name, values.ToArray());
        return await _http.SendAsync(sent, stop);
    }

    /// <summary>The host is to find the node here.</summary>
    byte[] Renamed(byte[] body)
    {
        var node = JsonNode.Parse(body)!;
        _door = (string)node["url"]!;
        node["url"] = Url;
        return JsonSerializer.SerializeToUtf8Bytes(node);
    }

    async Task NoteAsync(byte[] body)
    {
        var task = JsonSerializer.Deserialize<NodeTask>(body, Wire.Json)!;
        var film = await _book.FilmOf(task.JobId).Task;
        var chunk = task is RenderTask render ? FaultPlan.Chunks.ToList().FindIndex(c => c.First == render.First) : -1;
        _current = (task, film, chunk >= 0 && _book.Outside.TryGetValue((film, chunk), out var fault) ? fault : null);
        _puts = 0;
    }

    /// <summary>An upload: passed on as it is, spoilt, or swallowed (null: answered here).</summary>
    async Task<byte[]?> PutAsync(HttpContext context, byte[] body)
    {
        if (_current?.Fault is not { Kind: "upload-cut" or "upload-flip" or "upload-lost" } fault || ++_puts != 1 || !Strikes(fault)) return body;
        switch (fault.Kind)
        {
            case "upload-cut": return body[..(int)(fault.At * body.Length)];
            case "upload-flip": return Flipped(body, fault.At);
            case "upload-lost":
                _book.Struck[fault.Id] = "lost";
                context.Response.StatusCode = 201;
                await context.Response.StartAsync();
                return null;
            default: return body;
        }
    }

    /// <summary>Each strikes once: what is done again is left alone. One whose task was lost before it came to it strikes the next who has the chunk.</summary>
    bool Strikes(Fault fault) => _book.Outside.TryRemove((fault.Film, fault.Chunk), out _);

    static byte[] Flipped(byte[] bytes, double at)
    {
        var copy = bytes.ToArray();
        copy[(int)(at * copy.Length)] ^= 0x10;
        return copy;
    }

    /// <summary>A result: its files are spoilt behind its back, or it is kept until its lease is another's.</summary>
    async Task<bool> KeptAsync(HttpContext context, byte[] body)
    {
        if (_current?.Fault is not { } fault || JsonSerializer.Deserialize<NodeResult>(body, Wire.Json) is not TaskRendered rendered || !Strikes(fault)) return false;
        switch (fault.Kind)
        {
            case "disk-cut" or "disk-flip":
                var mine = Path.Combine(_yard.NodeHome(_node), "files", rendered.Segment.SegmentDigest);
                var bytes = await File.ReadAllBytesAsync(mine);
                await File.WriteAllBytesAsync(mine, fault.Kind == "disk-cut" ? bytes[..(int)(fault.At * bytes.Length)] : Flipped(bytes, fault.At));
                _book.Struck[fault.Id] = "spoilt";
                return false;
            case "host-flip":
                var theirs = _yard.HostBlob(rendered.Segment.SegmentDigest);
                await File.WriteAllBytesAsync(theirs, Flipped(await File.ReadAllBytesAsync(theirs), fault.At));
                // The node must not be able to help itself from its own copy.
                File.Delete(Path.Combine(_yard.NodeHome(_node), "files", rendered.Segment.SegmentDigest));
                _book.Struck[fault.Id] = "spoilt";
                return false;
            case "late":
                var request = (context.Request.Method, Path: context.Request.Path.ToString(), Authorization: context.Request.Headers.Authorization.ToString());
                _book.Late.Add(Task.Run(async () =>
                {
                    await Task.Delay(LongEnough, _clock);
                    using var sent = new HttpRequestMessage(HttpMethod.Post, _yard.Url + request.Path) { Content = new ByteArrayContent(body) { Headers = { ContentType = new("application/json") } } };
                    sent.Headers.TryAddWithoutValidation("Authorization", request.Authorization);
                    using var answer = await _http.SendAsync(sent);
                    _book.Struck[fault.Id] = $"{(int)answer.StatusCode}";
                }));
                context.Response.StatusCode = 204;
                return true;
            default:
                return false;
        }
    }

    void Taken(byte[] body, HttpStatusCode status)
    {
        var result = JsonSerializer.Deserialize<NodeResult>(body, Wire.Json)!;
        if (_current is not var (task, film, _) || task.LeaseId != result.LeaseId) return;
        if (result is TaskFailed failed) _book.Failures.Add((film, task is RenderTask r ? FaultPlan.Chunks.ToList().FindIndex(c => c.First == r.First) : -1, failed.Code));
        if (result is TaskRendered && status == HttpStatusCode.NoContent) _book.Drawn.AddOrUpdate(film, ((RenderTask)task).Count, (_, before) => before + ((RenderTask)task).Count);
    }

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        _http.Dispose();
    }
}
