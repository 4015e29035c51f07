using System.Net;
using System.Text.Json;
using FlatRender.Contracts;
using Shouldly;
using Xunit;

namespace FlatRender.NodeAgent.Tests;

/// <summary>Who may call, and what each call answers.</summary>
public sealed class DoorSpecs(SharedFarm shared) : IClassFixture<SharedFarm>
{
    readonly Farm _farm = shared.Farm;

    static void Refused((HttpStatusCode Status, string Body) answer, HttpStatusCode status, string code)
    {
        answer.Status.ShouldBe(status);
        var error = JsonSerializer.Deserialize<ErrorEnvelope>(answer.Body, Wire.Json)!.Error;
        error.Code.ShouldBe(code);
        error.Message.ShouldNotBeEmpty();
        error.TraceId.ShouldNotBeEmpty();
    }

    static long Now => TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();

    [Fact]
    public async Task Only_the_orchestrator_is_let_in()
    {
        var (host, node) = (_farm.Host, _farm.Node);
        var body = "{\"a\":1}"u8.ToArray();
        Refused(await host.Call(node, HttpMethod.Get, "/v1/status", signed: false), HttpStatusCode.Unauthorized, "UNSIGNED");
        Refused(await host.Call(node, HttpMethod.Get, "/v1/status", secret: "another"), HttpStatusCode.Unauthorized, "BAD_SIGNATURE");
        Refused(await host.Call(node, HttpMethod.Post, "/v1/tasks", body, sent: "{\"a\":2}"u8.ToArray()), HttpStatusCode.Unauthorized, "BAD_SIGNATURE");
        Refused(await host.Call(node, HttpMethod.Get, "/v1/status", nonce: "short"), HttpStatusCode.Unauthorized, "BAD_NONCE");
        Refused(await host.Call(node, HttpMethod.Get, "/v1/status", timestamp: Now - 310), HttpStatusCode.Unauthorized, "CLOCK_SKEW");
        Refused(await host.Call(node, HttpMethod.Get, "/v1/status", timestamp: Now + 310), HttpStatusCode.Unauthorized, "CLOCK_SKEW");
        (await host.Call(node, HttpMethod.Get, "/v1/status", timestamp: Now - 280)).Status.ShouldBe(HttpStatusCode.OK);
        (await host.Call(node, HttpMethod.Get, "/v1/status", timestamp: Now + 280)).Status.ShouldBe(HttpStatusCode.OK);
        (await host.Call(node, HttpMethod.Get, "/v1/health", signed: false)).Status.ShouldBe(HttpStatusCode.OK);
    }

    [Fact]
    public async Task A_call_is_heard_once()
    {
        var nonce = Guid.NewGuid().ToString("N");
        (await _farm.Host.Call(_farm.Node, HttpMethod.Get, "/v1/status", nonce: nonce)).Status.ShouldBe(HttpStatusCode.OK);
        Refused(await _farm.Host.Call(_farm.Node, HttpMethod.Get, "/v1/status", nonce: nonce), HttpStatusCode.Unauthorized, "REPLAYED");
    }

    [Fact]
    public async Task A_node_without_room_on_its_disk_takes_nothing_and_says_so()
    {
        // No disk has two pebibytes free.
        await using var full = await Farm.Start(minFreeMb: int.MaxValue);
        var task = JsonSerializer.SerializeToUtf8Bytes<NodeTask>(full.Rendering(Farm.Film(64, 64, 2), full.Template(new { name = "no room" }), 0, 2), Wire.Json);
        Refused(await full.Host.Call(full.Node, HttpMethod.Post, "/v1/tasks", task), HttpStatusCode.Conflict, "UNFIT");
        (await full.Host.Beats.Reader.ReadAsync()).Unfit!.ShouldMatch(@"^its disk is full \(\d+ MB are free, 2147483647 MB are needed\)$");
        (await _farm.Host.Beats.Reader.ReadAsync()).Unfit.ShouldBeNull("another has room");
    }

    [Fact]
    public async Task A_call_has_at_most_a_mebibyte()
    {
        var (host, node) = (_farm.Host, _farm.Node);
        Refused(await host.Call(node, HttpMethod.Post, "/v1/tasks", new byte[Door.MaxBody + 1]), HttpStatusCode.RequestEntityTooLarge, "TOO_LARGE");
        Refused(await host.Call(node, HttpMethod.Post, "/v1/tasks", new byte[Door.MaxBody]), HttpStatusCode.BadRequest, "BAD_TASK");
    }

    [Fact]
    public async Task Every_path_answers_with_the_envelope()
    {
        var (host, node) = (_farm.Host, _farm.Node);
        Refused(await host.Call(node, HttpMethod.Get, "/v1/nothing"), HttpStatusCode.NotFound, "NOT_FOUND");
        Refused(await host.Call(node, HttpMethod.Put, "/v1/tasks"), HttpStatusCode.MethodNotAllowed, "METHOD_NOT_ALLOWED");
        Refused(await host.Call(node, HttpMethod.Delete, $"/v1/tasks/{Guid.NewGuid()}"), HttpStatusCode.NotFound, "NO_SUCH_TASK");
        Refused(await host.Call(node, HttpMethod.Delete, "/v1/tasks/none?x=%C3%A9"), HttpStatusCode.NotFound, "NO_SUCH_TASK");
    }

    public static TheoryData<string> BadTasks =>
    [
        "", "null", "[]", "{}", "{\"kind\":\"dance\"}", "not json", "{\"kind\":\"render\"}",
        Json(t => t with { Count = 0 }), Json(t => t with { First = 8, Count = 3 }), Json(t => t with { First = -1 }), Json(t => t with { Film = t.Film with { Width = 63 } }), Json(t => t with { Film = t.Film with { Height = 0 } }),
        Json(t => t with { Film = t.Film with { RateDen = 0 } }), Json(t => t with { Film = t.Film with { FrameStep = "1/0" } }), Json(t => t with { Film = t.Film with { Background = "#12" } }), Json(t => t with { Engine = "none" }),
        Json(t => t with { TemplateDigest = "../../etc/passwd" }), Json(t => t with { DeadlineSeconds = -1 }), Json(t => t with { Film = null! }),
    ];

    static string Json(Func<RenderTask, RenderTask> spoil) =>
        JsonSerializer.Serialize<NodeTask>(spoil(new RenderTask(Farm.Lease(), 1, new(Guid.NewGuid()), Farm.Film(64, 48, 10), new string('a', 64), 60, "faulty", 0, 10)), Wire.Json);

    [Theory, MemberData(nameof(BadTasks))]
    public async Task A_senseless_task_is_refused(string json) =>
        Refused(await _farm.Host.Call(_farm.Node, HttpMethod.Post, "/v1/tasks", System.Text.Encoding.UTF8.GetBytes(json)), HttpStatusCode.BadRequest, "BAD_TASK");

    [Fact]
    public async Task A_busy_node_says_so_and_the_same_lease_twice_is_one_task()
    {
        var film = Farm.Film(32, 32, 5);
        var slow = _farm.Rendering(film, _farm.Template(new { faults = new Dictionary<string, string> { ["2"] = "hang" } }), 0, 5);
        var other = slow with { LeaseId = Farm.Lease() };
        foreach (var task in new[] { slow, slow, other }) (await _farm.Host.Assign(_farm.Node, task)).ShouldBe(HttpStatusCode.Accepted);
        (await _farm.Host.Assign(_farm.Node, slow with { LeaseId = Farm.Lease() })).ShouldBe(HttpStatusCode.Conflict);
        var status = JsonSerializer.Deserialize<NodeStatus>((await _farm.Host.Call(_farm.Node, HttpMethod.Get, "/v1/status")).Body, Wire.Json)!;
        (status.State, status.Slots, status.Busy).ShouldBe(("ready", 2, 2));
        status.Tasks.Select(t => t.LeaseId).ShouldBe([slow.LeaseId, other.LeaseId], ignoreOrder: true);
        foreach (var task in new[] { slow, other })
        {
            (await _farm.Host.Call(_farm.Node, HttpMethod.Delete, $"/v1/tasks/{task.LeaseId}")).Status.ShouldBe(HttpStatusCode.NoContent);
            (await _farm.Host.Result(task.LeaseId)).ShouldBeOfType<TaskFailed>().Code.ShouldBe("ABORTED");
        }
        _farm.Host.ResultPosts.ShouldBe(2);
    }

    [Fact]
    public async Task Refused_calls_are_counted_by_what_was_wrong()
    {
        var (host, node) = (_farm.Host, _farm.Node);
        async Task<Dictionary<string, long>> Counted() => new(JsonSerializer.Deserialize<NodeStatus>((await host.Call(node, HttpMethod.Get, "/v1/status")).Body, Wire.Json)!.Refused!);
        var before = await Counted();
        await host.Call(node, HttpMethod.Get, "/v1/status", signed: false);
        await host.Call(node, HttpMethod.Get, "/v1/status", secret: "another");
        await host.Call(node, HttpMethod.Get, "/v1/status", timestamp: Now - 310);
        await host.Call(node, HttpMethod.Post, "/v1/tasks", new byte[Door.MaxBody + 1]);
        await host.Call(node, HttpMethod.Post, "/v1/tasks", "{}"u8.ToArray());
        var after = await Counted();
        foreach (var code in new[] { "UNSIGNED", "BAD_SIGNATURE", "CLOCK_SKEW", "TOO_LARGE", "BAD_TASK" })
            (after.GetValueOrDefault(code) - before.GetValueOrDefault(code)).ShouldBe(1, code);
    }

    [Fact]
    public async Task A_body_that_drips_or_never_ends_is_not_waited_for()
    {
        (await RawAsync("Content-Length: 5000", "{")).ShouldStartWith("HTTP/1.1 408");
        (await RawAsync($"Content-Length: {1L << 30}", "{")).ShouldStartWith("HTTP/1.1 413");
        (await RawAsync("Transfer-Encoding: chunked", string.Concat(Enumerable.Repeat("10000\r\n" + new string(' ', 0x10000) + "\r\n", 40)))).ShouldStartWith("HTTP/1.1 413");
    }

    async Task<string> RawAsync(string header, string body)
    {
        using var socket = new System.Net.Sockets.TcpClient();
        await socket.ConnectAsync("127.0.0.1", new Uri(_farm.Node).Port);
        var stream = socket.GetStream();
        await stream.WriteAsync(System.Text.Encoding.ASCII.GetBytes($"POST /v1/tasks HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n"));
        try
        {
            await stream.WriteAsync(System.Text.Encoding.ASCII.GetBytes(body));
        }
        catch (IOException)
        {
            // It stopped listening; what it said may still be read.
        }
        using var reader = new StreamReader(stream);
        return await reader.ReadLineAsync() ?? "";
    }

    [Fact]
    public async Task A_node_tells_what_it_can()
    {
        var told = JsonSerializer.Deserialize<NodeRegistration>((await _farm.Host.Call(_farm.Node, HttpMethod.Get, "/v1/capabilities")).Body, Wire.Json)!;
        (told.Url, told.Slots, told.Name).ShouldBe((_farm.Node, 2, "test"));
        told.Tags.ShouldContain("tests");
        told.Engines["faulty"].ShouldBe(string.Concat(Enumerable.Repeat("fa", 32)));
    }
}
