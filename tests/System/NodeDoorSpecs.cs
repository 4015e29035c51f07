using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Threading.Channels;
using FlatRender.Contracts;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace FlatRender.SystemTests;

/// <summary>A node of our own at the host's door: what it may not say changes nothing.</summary>
[Collection(FarmTests.Name)]
public sealed class NodeDoorSpecs(Farm farm)
{
    static readonly TaskTimes s_times = new(0, 0, 0, 0, 0, 0, 0);
    static readonly string s_digest = new('a', 64);

    Installation At => farm.At;

    [Fact]
    public async Task A_result_for_anothers_lease_or_of_an_older_epoch_is_refused_and_changes_nothing()
    {
        await using var node = await StrangerAsync();
        using var http = Http();
        (await PostAsync(http, "v1/nodes", node.Registration)).ShouldBe(HttpStatusCode.OK);
        using var leaving = new CancellationTokenSource();
        var beating = BeatAsync(http, node.Registration, leaving.Token);
        var rendering = At.RenderAsync(At.Write("fenced.json", SmallLottie.Of(to: "40")));
        var given = node.Tasks.ReadAsync(new CancellationTokenSource(Wait.Patience).Token).AsTask();
        // A render or a heart that fails says why; otherwise nothing would come, and nobody would know.
        if (await Task.WhenAny(given, rendering, beating) is var first && first != given) await first;
        var task = await given;
        var result = new TaskRendered(task.LeaseId, task.Epoch, s_times, new SegmentFiles(0, 1, s_digest, s_digest), s_digest);

        // Another node says it, or the right one of another epoch, or of a lease that never was.
        var before = await PieceAsync(task);
        var real = (await At.Book.WorkAsync(task.JobId)).Select(p => p.Node).OfType<Guid>().FirstOrDefault(id => id != node.Registration.NodeId.Value, Ids.New());
        (await PostAsync<NodeResult>(http, $"v1/nodes/{real}/results", result)).ShouldBe(HttpStatusCode.Conflict);
        (await PostAsync<NodeResult>(http, $"v1/nodes/{node.Registration.NodeId}/results", result with { Epoch = task.Epoch + 1 })).ShouldBe(HttpStatusCode.Conflict);
        (await PostAsync<NodeResult>(http, $"v1/nodes/{node.Registration.NodeId}/results", result with { LeaseId = new LeaseId(Ids.New()) })).ShouldBe(HttpStatusCode.Conflict);
        (await PieceAsync(task)).ShouldBe(before);

        await leaving.CancelAsync();
        await beating;

        // It leaves; another draws the piece under a newer epoch; then its own result comes, late.
        (await PostAsync(http, $"v1/nodes/{node.Registration.NodeId}/leave", new { })).ShouldBe(HttpStatusCode.NoContent);
        var film = await rendering;
        var (after, facts) = (await PieceAsync(task), (await At.Book.FactsAsync(task.JobId)).Count);
        after.Epoch.ShouldBeGreaterThan(task.Epoch);
        (await PostAsync<NodeResult>(http, $"v1/nodes/{node.Registration.NodeId}/results", result)).ShouldBe(HttpStatusCode.Conflict);
        (await PostAsync<NodeResult>(http, $"v1/nodes/{node.Registration.NodeId}/results", new TaskFailed(task.LeaseId, task.Epoch, s_times, "TEMPLATE_INVALID", "too late"))).ShouldBe(HttpStatusCode.Conflict);
        (await PieceAsync(task)).ShouldBe(after);
        (await At.Book.FactsAsync(task.JobId)).Count.ShouldBe(facts);
        (await film.ProbeAsync()).Frames.ShouldBe(40);
    }

    [Fact]
    public async Task A_node_without_the_nodes_token_is_not_let_in()
    {
        await using var node = await StrangerAsync();
        using var http = Http();
        foreach (var token in new[] { "", "not-the-token-of-any-node", At.Secrets.ApiToken })
        {
            http.DefaultRequestHeaders.Authorization = token == "" ? null : new AuthenticationHeaderValue("Bearer", token);
            (await PostAsync(http, "v1/nodes", node.Registration)).ShouldBe(token == At.Secrets.ApiToken ? HttpStatusCode.Forbidden : HttpStatusCode.Unauthorized);
        }
    }

    /// <summary>Keeps a node that does nothing from being given up for lost.</summary>
    async Task BeatAsync(HttpClient http, NodeRegistration node, CancellationToken leaving)
    {
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(300));
        while (!leaving.IsCancellationRequested)
        {
            var tasks = (await At.Book.LeasesAsync(node.NodeId)).Select(l => new TaskProgress(l.Lease, l.Epoch, 0)).ToArray();
            var heard = await PostAsync(http, $"v1/nodes/{node.NodeId}/heartbeat", new NodeHeartbeat(tasks, 0));
            // Given up for lost all the same, as on a busy machine: it joins again, as any node does.
            if (heard == HttpStatusCode.NotFound) heard = await PostAsync(http, "v1/nodes", node);
            heard.ShouldBe(HttpStatusCode.OK);
            await tick.WaitForNextTickAsync(CancellationToken.None);
        }
    }

    async Task<Piece> PieceAsync(NodeTask task)
    {
        var first = ((RenderTask)task).First;
        return (await At.Book.WorkAsync(task.JobId)).Where(p => p.Kind == "render").ElementAt(first / 10);
    }

    HttpClient Http()
    {
        var http = new HttpClient { BaseAddress = new Uri(At.Note.Url + "/") };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", At.Secrets.NodeToken);
        return http;
    }

    static async Task<HttpStatusCode> PostAsync<T>(HttpClient http, string path, T body)
    {
        using var answer = await http.PostAsync(path, JsonContent.Create(body, options: Wire.Json));
        return answer.StatusCode;
    }

    /// <summary>A node that takes every task and does nothing.</summary>
    sealed record Stranger(WebApplication App, NodeRegistration Registration, ChannelReader<NodeTask> Tasks) : IAsyncDisposable
    {
        public ValueTask DisposeAsync() => App.DisposeAsync();
    }

    static async Task<Stranger> StrangerAsync()
    {
        var tasks = Channel.CreateUnbounded<NodeTask>();
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.ConfigureHttpJsonOptions(json => Wire.Configure(json.SerializerOptions));
        var app = builder.Build();
        app.Urls.Add("http://127.0.0.1:0");
        app.MapPost("/v1/tasks", (NodeTask task) =>
        {
            tasks.Writer.TryWrite(task);
            return Results.Accepted();
        });
        app.MapDelete("/v1/tasks/{lease}", () => Results.NoContent());
        await app.StartAsync();
        return new(app, new NodeRegistration(new NodeId(Ids.New()), "stranger", app.Urls.Single(), 1, [], new Dictionary<string, string> { ["skottie"] = s_digest }, "0.0.0"), tasks.Reader);
    }
}
