using System.Globalization;
using System.Net;
using System.Text.Json;
using FlatRender.Contracts;
using FlatRender.Foundation;
using Microsoft.Extensions.Logging;

namespace FlatRender.Render;

/// <summary>The orchestrator's calls to node agents, signed.</summary>
sealed class NodeCalls(IHttpClientFactory clients, Secrets secrets, TimeProvider clock, ILogger<NodeCalls> log)
{
    public const string Client = "node";

    /// <returns>False: the node did not take it.</returns>
    public async Task<bool> AssignAsync(FarmNode node, NodeTask task, CancellationToken cancel)
    {
        var body = JsonSerializer.SerializeToUtf8Bytes(task, Wire.Json);
        var status = await CallAsync(HttpMethod.Post, node.Url, "/v1/tasks", body, cancel);
        if (status != HttpStatusCode.Accepted) log.LogWarning("Node {Node} did not take lease {Lease}: {Status}", node.Name, task.LeaseId, status?.ToString() ?? "no answer");
        return status == HttpStatusCode.Accepted;
    }

    /// <summary>Tells a node to drop a lease. Best effort: the lease is fenced off already, and its next heartbeat hears of it again.</summary>
    public Task AbortAsync(string nodeUrl, LeaseId lease, CancellationToken cancel) => CallAsync(HttpMethod.Delete, nodeUrl, $"/v1/tasks/{lease}", [], cancel);

    /// <summary>Tells a node to finish what it has and leave. Best effort: its next heartbeat hears of it again.</summary>
    public Task DrainAsync(string nodeUrl, CancellationToken cancel) => CallAsync(HttpMethod.Post, nodeUrl, "/v1/drain", [], cancel);

    // Null: no answer at all.
    async Task<HttpStatusCode?> CallAsync(HttpMethod method, string nodeUrl, string path, byte[] body, CancellationToken cancel)
    {
        using var request = new HttpRequestMessage(method, nodeUrl.TrimEnd('/') + path);
        if (body.Length > 0) request.Content = new ByteArrayContent(body) { Headers = { ContentType = new("application/json") } };
        var timestamp = clock.GetUtcNow().ToUnixTimeSeconds();
        var nonce = Ids.New().ToString("N");
        request.Headers.Add(NodeHeaders.Timestamp, timestamp.ToString(CultureInfo.InvariantCulture));
        request.Headers.Add(NodeHeaders.Nonce, nonce);
        request.Headers.Add(NodeHeaders.Signature, CallSignature.Of(secrets.OrchestratorSecret, method.Method, path, CallSignature.DigestOf(body), timestamp, nonce));
        try
        {
            using var response = await clients.CreateClient(Client).SendAsync(request, cancel);
            return response.StatusCode;
        }
        catch (Exception e) when (e is HttpRequestException || e is TaskCanceledException && !cancel.IsCancellationRequested)
        {
            return null;
        }
    }
}
