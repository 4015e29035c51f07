using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Security.Cryptography;
using FlatRender.Contracts;

namespace FlatRender.NodeAgent;

/// <summary>The agent's calls home, over HTTP with its node token. Refusals that mean something are values; what may pass by itself is retried by the caller.</summary>
sealed class Home : IDisposable
{
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    readonly HttpClient _http;
    readonly TimeProvider _clock;
    readonly NodeId _id;

    public Home(IReadOnlyList<Uri> offices, string token, NodeId id, TimeProvider clock)
    {
        (_clock, _id) = (clock, id);
        // A long-lived connection survives the host's restart only as an error: short lives, quick connects.
        var sockets = new SocketsHttpHandler { ConnectTimeout = TimeSpan.FromSeconds(5), PooledConnectionLifetime = TimeSpan.FromMinutes(2) };
        _http = new HttpClient(new Offices(offices, sockets)) { BaseAddress = offices[0], Timeout = Timeout.InfiniteTimeSpan };
        _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
    }

    public async Task<NodeWelcome> Register(NodeRegistration node, CancellationToken ct)
    {
        using var answer = await Post("v1/nodes", JsonContent.Create(node, options: Wire.Json), ct);
        answer.EnsureSuccessStatusCode();
        return await answer.Content.ReadFromJsonAsync<NodeWelcome>(Wire.Json, ct) ?? throw new HttpRequestException("The host's welcome is empty.");
    }

    /// <summary>Null when the host does not know this node (any more).</summary>
    public async Task<NodeOrders?> Beat(NodeHeartbeat beat, CancellationToken ct) => await Orders($"v1/nodes/{_id}/heartbeat", JsonContent.Create(beat, options: Wire.Json), ct);

    /// <inheritdoc cref="Beat"/>
    public async Task<NodeOrders?> Tell(NodeProgress progress, CancellationToken ct) => await Orders($"v1/nodes/{_id}/progress", JsonContent.Create(progress, options: Wire.Json), ct);

    public async Task<HttpStatusCode> Finish(NodeResult result, CancellationToken ct)
    {
        using var answer = await Post($"v1/nodes/{_id}/results", JsonContent.Create(result, options: Wire.Json), ct);
        return answer.StatusCode;
    }

    public async Task Leave(CancellationToken ct)
    {
        using var answer = await Post($"v1/nodes/{_id}/leave", null, ct);
    }

    /// <summary>Writes a blob to a file and returns the digest of what came; null when the host has no such blob.</summary>
    public Task<string?> Download(string digest, string path, CancellationToken ct) => Transfer.Run(_clock, async transfer =>
    {
        using var answer = await _http.GetAsync($"v1/files/{digest}", HttpCompletionOption.ResponseHeadersRead, transfer.Token);
        if (answer.StatusCode is HttpStatusCode.NotFound) return null;
        answer.EnsureSuccessStatusCode();
        await using var from = await answer.Content.ReadAsStreamAsync(transfer.Token);
        await using var to = File.Create(path);
        using var sha = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[128 * 1024];
        int read;
        while ((read = await transfer.Read(from, buffer)) > 0)
        {
            sha.AppendData(buffer, 0, read);
            await to.WriteAsync(buffer.AsMemory(0, read), transfer.Token);
        }
        return Convert.ToHexStringLower(sha.GetHashAndReset());
    }, ct);

    public Task Upload(string digest, string path, CancellationToken ct) => Transfer.Run(_clock, async transfer =>
    {
        await using var file = File.OpenRead(path);
        using var body = transfer.Of(file);
        body.Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");
        using var answer = await _http.PutAsync($"v1/files/{digest}", body, transfer.Token);
        answer.EnsureSuccessStatusCode();
        return true;
    }, ct);

    async Task<NodeOrders?> Orders(string path, HttpContent body, CancellationToken ct)
    {
        using var answer = await Post(path, body, ct);
        if (answer.StatusCode is HttpStatusCode.NotFound) return null;
        answer.EnsureSuccessStatusCode();
        if (answer.StatusCode is HttpStatusCode.NoContent) return new NodeOrders([]);
        return await answer.Content.ReadFromJsonAsync<NodeOrders>(Wire.Json, ct) ?? new NodeOrders([]);
    }

    async Task<HttpResponseMessage> Post(string path, HttpContent? body, CancellationToken ct)
    {
        using var patience = new CancellationTokenSource(Patience, _clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, patience.Token);
        try
        {
            return await _http.PostAsync(path, body, either.Token);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            throw new HttpRequestException($"The host did not answer {path} in {Patience.TotalSeconds} s.");
        }
    }

    public void Dispose() => _http.Dispose();
}

/// <summary>Waits that grow: for whatever may work again later.</summary>
static class Backoff
{
    public static TimeSpan After(int failures) => TimeSpan.FromSeconds(Math.Min(5, 0.2 * Math.Pow(2, Math.Min(failures, 10))));

    public static bool MayPass(Exception e) => e is HttpRequestException or IOException or System.Text.Json.JsonException;

    /// <summary>The host is not there, or cannot do its work for the moment: no fault of what was asked, nor of who asked.</summary>
    static bool IsAway(Exception e) => e is HttpRequestException { StatusCode: null or HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests or >= HttpStatusCode.InternalServerError };

    /// <summary>Tries again, ever more slowly: while the host is away until the caller's time is over, after what else may pass so often in all.</summary>
    /// <exception cref="OperationCanceledException">The caller's time is over; its message is what was wrong last.</exception>
    public static async Task<T> Retry<T>(int tries, TimeProvider clock, Func<Task<T>> attempt, CancellationToken ct)
    {
        Exception? last = null;
        try
        {
            for (int failures = 0, lasting = 0; ; failures++)
            {
                try
                {
                    return await attempt();
                }
                catch (Exception e) when (MayPass(e))
                {
                    if (!IsAway(e) && ++lasting == tries) throw;
                    last = e;
                }
                await Task.Delay(After(failures), clock, ct);
            }
        }
        catch (OperationCanceledException) when (last is not null && ct.IsCancellationRequested)
        {
            throw new OperationCanceledException(last.Message, last, ct);
        }
    }
}
