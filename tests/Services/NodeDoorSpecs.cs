using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.Foundation;
using FlatRender.Render;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace FlatRender.Services.Tests;

/// <summary>The nodes' door of the orchestrator: who calls badly is refused, changes nothing, and is counted.</summary>
public sealed class NodeDoorSpecs(FarmDatabase database) : IClassFixture<FarmDatabase>, IAsyncLifetime
{
    const string Token = "a node token of the tests";
    readonly HttpClient _http = new();
    readonly CancellationTokenSource _hungUp = new();
    Farm _farm = null!;
    WebApplication _app = null!;

    public async Task InitializeAsync()
    {
        _farm = await Farm.OpenAsync(database.Database);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0").UseKestrel(k => k.Limits.MinRequestBodyDataRate = new(bytesPerSecond: 240, gracePeriod: TimeSpan.FromSeconds(1.1)));
        builder.Services.ConfigureHttpJsonOptions(json => Wire.Configure(json.SerializerOptions));
        builder.Services.AddSingleton(database.Database.Source).AddSingleton(new Secrets("an api token of the tests", Token, "a secret of the tests")).AddSingleton<TimeProvider>(_farm.Clock);
        builder.Services.AddSingleton(new Blobs(Directory.CreateTempSubdirectory("flatrender-blobs-").FullName));
        builder.Services.AddTokenAccess();
        new RenderService().Register(builder.Services);
        // The book of this test instead of one on a bus; nobody dispatches.
        builder.Services.AddSingleton(_farm.Book).AddSingleton(_farm.Nodes);
        builder.Services.Remove(builder.Services.Single(s => s.ImplementationType == typeof(Dispatcher)));
        _app = builder.Build();
        _app.Use((http, next) =>
        {
            if (http.Request.Path.Value!.EndsWith("/leave", StringComparison.Ordinal)) http.RequestAborted = _hungUp.Token;
            return next(http);
        });
        _app.UseEnvelope();
        _app.UseAuthentication();
        _app.UseAuthorization();
        new RenderService().Map(_app);
        await _app.StartAsync();
        _http.BaseAddress = new Uri(_app.Urls.Single());
    }

    public async Task DisposeAsync()
    {
        _http.Dispose();
        await _app.DisposeAsync();
        _hungUp.Dispose();
    }

    async Task<(HttpStatusCode Status, string Code)> SendAsync(string path, HttpContent? body, string? token = Token)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = body };
        if (token is not null) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        using var answer = await _http.SendAsync(request);
        var text = await answer.Content.ReadAsStringAsync();
        return (answer.StatusCode, answer.IsSuccessStatusCode ? "" : JsonSerializer.Deserialize<ErrorEnvelope>(text, Wire.Json)!.Error.Code);
    }

    Task<(HttpStatusCode Status, string Code)> PostAsync<T>(string path, T body, string? token = Token) => SendAsync(path, Text(JsonSerializer.Serialize(body, Wire.Json)), token);

    static StringContent Text(string json) => new(json, Encoding.UTF8, "application/json");

    static NodeRegistration Node(NodeId id) => new(id, "n", "http://127.0.0.1:1", 2, [], new Dictionary<string, string> { ["skottie"] = "e" }, "1");

    IReadOnlyDictionary<string, long> Refused => _app.Services.GetRequiredService<DoorTally>().Refused;

    [Fact]
    public async Task A_node_speaks_and_is_heard()
    {
        var id = new NodeId(Ids.New());
        (await PostAsync("v1/nodes", Node(id))).Status.ShouldBe(HttpStatusCode.OK);
        (await PostAsync($"v1/nodes/{id}/heartbeat", new NodeHeartbeat([], 1))).Status.ShouldBe(HttpStatusCode.OK);
        var job = await _farm.PlanAsync(frames: 12);
        var task = (await _farm.LeaseAsync(id))!;
        (await PostAsync($"v1/nodes/{id}/progress", new NodeProgress(task.LeaseId, task.Epoch, 3, 12, null))).Status.ShouldBe(HttpStatusCode.OK);
        (await PostAsync<NodeResult>($"v1/nodes/{id}/results", new TaskFailed(task.LeaseId, task.Epoch, Farm.Times, "ENGINE_CRASHED", "it fell"))).Status.ShouldBe(HttpStatusCode.NoContent);
        (await PostAsync($"v1/nodes/{id}/leave", new { })).Status.ShouldBe(HttpStatusCode.NoContent);
        (await _farm.FactsAsync(FarmStreams.Chunks(job))).Count.ShouldBe(2);
        Refused.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_goodbye_is_carried_out_though_the_node_has_hung_up()
    {
        NodeId id = new(Ids.New()), other = await _farm.JoinAsync();
        await PostAsync("v1/nodes", Node(id));
        await _farm.PlanAsync(frames: 12);
        (await _farm.LeaseAsync(id)).ShouldNotBeNull();
        await _hungUp.CancelAsync();
        (await PostAsync($"v1/nodes/{id}/leave", new { })).Status.ShouldBe(HttpStatusCode.NoContent);
        (await _farm.State.ShowAsync(default)).Nodes.Single(n => n.NodeId == id).State.ShouldBe("left");
        (await _farm.LeaseAsync(other)).ShouldNotBeNull();
    }

    [Fact]
    public async Task Whoever_is_no_node_of_ours_is_refused_and_counted()
    {
        NodeId id = new(Ids.New()), stranger = new(Ids.New());
        (await PostAsync("v1/nodes", Node(id), null)).ShouldBe((HttpStatusCode.Unauthorized, "UNAUTHORIZED"));
        (await PostAsync("v1/nodes", Node(id), "another token altogether")).ShouldBe((HttpStatusCode.Unauthorized, "UNAUTHORIZED"));
        (await PostAsync("v1/nodes", Node(id), "an api token of the tests")).ShouldBe((HttpStatusCode.Forbidden, "FORBIDDEN"));
        (await PostAsync($"v1/nodes/{stranger}/heartbeat", new NodeHeartbeat([], 1))).ShouldBe((HttpStatusCode.NotFound, "NOT_FOUND"));
        (await PostAsync<NodeResult>($"v1/nodes/{stranger}/results", new TaskFailed(new LeaseId(Ids.New()), 1, Farm.Times, "X", "y"))).ShouldBe((HttpStatusCode.Conflict, "LEASE_LOST"));

        await PostAsync("v1/nodes", Node(id));
        var job = await _farm.PlanAsync(frames: 12);
        var task = (await _farm.LeaseAsync(id))!;
        (await PostAsync<NodeResult>($"v1/nodes/{stranger}/results", new TaskFailed(task.LeaseId, task.Epoch, Farm.Times, "TEMPLATE_INVALID", "another's lease"))).ShouldBe((HttpStatusCode.Conflict, "LEASE_LOST"));
        (await PostAsync<NodeResult>($"v1/nodes/{id}/results", new TaskValidated(task.LeaseId, task.Epoch, Farm.Times, [], [], "", []))).ShouldBe((HttpStatusCode.Conflict, "LEASE_LOST"), "no answer to what was asked");
        (await _farm.FactsAsync(FarmStreams.Chunks(job))).Count.ShouldBe(1, "only the lease");
        _farm.Told.OfType<RendererFailed>().ShouldBeEmpty();
        Refused.ShouldBe(new Dictionary<string, long> { ["FORBIDDEN"] = 1, ["LEASE_LOST"] = 3, ["NOT_FOUND"] = 1, ["UNAUTHORIZED"] = 2 });
    }

    [Fact]
    public async Task A_body_that_is_not_whole_is_refused_with_what_is_wrong()
    {
        var id = new NodeId(Ids.New());
        foreach (var body in new[] { "", "null", "[]", "{}", "not json", "{\"node_id\":7}", "{\"node_id\":\"" + id + "\",\"name\":null,\"url\":\"http://x\",\"slots\":1,\"tags\":[],\"engines\":{},\"version\":\"1\"}" })
            (await SendAsync("v1/nodes", Text(body))).ShouldBe((HttpStatusCode.BadRequest, "BAD_REQUEST"), body);
        foreach (var body in new[] { "{}", "{\"outcome\":\"danced\"}", "{\"outcome\":\"rendered\",\"lease_id\":\"" + id + "\",\"epoch\":1}" })
            (await SendAsync($"v1/nodes/{id}/results", Text(body))).ShouldBe((HttpStatusCode.BadRequest, "BAD_REQUEST"), body);
        (await PostAsync("v1/nodes", Node(id) with { Slots = 0 })).ShouldBe((HttpStatusCode.UnprocessableEntity, "BAD_NODE"));
        (await PostAsync("v1/nodes", Node(id) with { Url = "file:///etc/passwd" })).ShouldBe((HttpStatusCode.UnprocessableEntity, "BAD_NODE"));
        (await _farm.State.ShowAsync(default)).Nodes.ShouldBeEmpty();
        Refused["BAD_REQUEST"].ShouldBe(10);
    }

    [Fact]
    public async Task A_body_without_end_is_cut_off_whether_it_says_so_or_not()
    {
        (await RawAsync($"Content-Length: {1L << 30}\r\n", new string('a', 1000))).ShouldStartWith("HTTP/1.1 413");
        // Chunk upon chunk: it is refused at the first byte too many.
        (await RawAsync("Transfer-Encoding: chunked\r\n", string.Concat(Enumerable.Repeat("10000\r\n" + new string(' ', 0x10000) + "\r\n", 40)))).ShouldStartWith("HTTP/1.1 413");
        Refused["TOO_LARGE"].ShouldBe(2);
    }

    [Fact]
    public async Task A_body_that_drips_is_not_waited_for()
    {
        (await RawAsync("Content-Length: 5000\r\n", "{")).ShouldStartWith("HTTP/1.1 408");
        Refused["TOO_SLOW"].ShouldBe(1);
    }

    /// <summary>What the server says to headers and as much of a body as it takes.</summary>
    async Task<string> RawAsync(string headers, string body)
    {
        using var socket = new TcpClient();
        await socket.ConnectAsync("127.0.0.1", _http.BaseAddress!.Port);
        var stream = socket.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes($"POST /v1/nodes HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {Token}\r\nContent-Type: application/json\r\n{headers}\r\n"));
        try
        {
            await stream.WriteAsync(Encoding.ASCII.GetBytes(body));
        }
        catch (IOException)
        {
            // It stopped listening; what it said may still be read.
        }
        using var reader = new StreamReader(stream);
        return await reader.ReadLineAsync() ?? "";
    }
}
