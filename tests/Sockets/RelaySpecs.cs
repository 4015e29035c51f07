using System.Net;
using System.Net.WebSockets;
using System.Text.Json;
using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.Foundation;

namespace FlatRender.Sockets.Tests;

/// <summary>What a watching client is told of a render, message by message.</summary>
public sealed class RelaySpecs : IAsyncLifetime
{
    static readonly DateTimeOffset Began = new(2026, 5, 27, 10, 0, 0, TimeSpan.Zero);
    static readonly FilmFile Film = new(new string('b', 64), 14523456, new string('c', 64), 30, 720, 124);
    static readonly NodeId Node = new(Ids.New());

    Gate _gate = null!;

    public async Task InitializeAsync() => _gate = await Gate.OpenAsync();
    public Task DisposeAsync() => _gate.DisposeAsync().AsTask();

    static JobRendering Rendering(JobId id) => new(id, 1, 0, Node, Began, "a node took the first chunk");
    static JobValidating Validating(JobId id) => new(id, 2, 0, 3.5, "all chunks are in");

    async Task<string> MomentAsync(JobId id, long version) => (await _gate.Get<Streams>().ReadAsync(id.Value, version, version, CancellationToken.None)).Single().Timestamp.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss.FFFFFFZ");

    [Fact]
    public async Task A_client_is_greeted_with_where_the_render_stands()
    {
        var id = await _gate.QueuedAsync();
        using var early = await _gate.ConnectAsync(id);
        await early.ExpectAsync($$"""{"type":"hello","job_id":"{{id}}","current_state":{"step":"Queued","progress":0,"current_frame":0,"total_frames":720,"started_at":null},"seq":1}""");

        await _gate.HappensAsync(id, Rendering(id));
        _gate.Hub.Progressed(new RenderProgress(id, 338, 720, 45, 3, 8.5, null));
        using var late = await _gate.ConnectAsync(id);
        await late.ExpectAsync($$"""{"type":"hello","job_id":"{{id}}","current_state":{"step":"Rendering","progress":46,"current_frame":338,"total_frames":720,"started_at":"2026-05-27T10:00:00Z"},"seq":2}""");
    }

    [Fact]
    public async Task Each_fact_is_told_in_the_words_of_the_protocol()
    {
        var id = await _gate.QueuedAsync();
        using var client = await _gate.WatchAsync(id);
        await _gate.HappensAsync(id, Rendering(id));
        await client.ExpectAsync($$"""{"type":"step_change","job_id":"{{id}}","from_step":"Queued","to_step":"Rendering","at":"{{await MomentAsync(id, 2)}}","seq":2}""");
        await client.ExpectAsync($$"""{"type":"progress","job_id":"{{id}}","step":"Rendering","progress":0,"current_frame":0,"total_frames":720,"eta_seconds":null,"preview_b64":null,"active_nodes":0,"message":null,"seq":2}""");

        _gate.Hub.Progressed(new RenderProgress(id, 482, 720, 45, 3, 8.5, "data:image/jpeg;base64,/9j/4AAQ"));
        await _gate.MeanwhileAsync(client.ExpectAsync($$"""{"type":"progress","job_id":"{{id}}","step":"Rendering","progress":66,"current_frame":482,"total_frames":720,"eta_seconds":45,"preview_b64":"data:image/jpeg;base64,/9j/4AAQ","active_nodes":3,"message":null,"seq":2}"""));

        await _gate.HappensAsync(id, Validating(id), new JobRepair(id, 3, 0, [347, 348, 521], [402], 1, 3, "3 missing, 1 corrupt"));
        (await client.NextAsync("step_change")).GetProperty("to_step").GetString().ShouldBe("Validating");
        (await client.NextAsync()).GetProperty("to_step").GetString().ShouldBe("Repair");
        await client.ExpectAsync($$"""{"type":"frame_repair","job_id":"{{id}}","missing_frames":[347,348,521],"corrupt_frames":[402],"attempt":1,"max_attempts":3,"seq":4}""");

        _gate.Clock.Advance(TimeSpan.FromSeconds(2));
        await _gate.HappensAsync(id, Validating(id), new JobDone(id, Film, "whole"));
        _gate.Clock.Advance(TimeSpan.FromSeconds(2));
        (await client.NextAsync("step_change")).GetProperty("to_step").GetString().ShouldBe("Validating");
        (await client.NextAsync("step_change")).GetProperty("to_step").GetString().ShouldBe("Done");
        await client.ExpectAsync($$"""
            {"type":"done","job_id":"{{id}}","export_id":"{{Ids.Derived(id.Value, "export")}}","output_url":"/v1/renders/{{id}}/film","thumbnail_url":"/v1/renders/{{id}}/thumbnail","duration_sec":30,"size_bytes":14523456,"compute_seconds":124,"seq":6}
            """);
        await _gate.EndAsync(LiveClose.Normal, client);
    }

    [Fact]
    public async Task An_ended_render_says_hello_and_how_it_ended_and_closes()
    {
        var (failed, cancelled, done) = (await _gate.QueuedAsync(), await _gate.QueuedAsync(), await _gate.QueuedAsync());
        await _gate.HappensAsync(failed, Rendering(failed), new JobFailed(failed, "Rendering", "AE_REPEATED_CRASH", true, "AE crashed too many times on this template"));
        await _gate.HappensAsync(cancelled, Rendering(cancelled), new JobCancelled(cancelled, Began.AddSeconds(192.5), 42, "user", "no longer wanted"));
        await _gate.HappensAsync(done, Rendering(done), Validating(done), new JobDone(done, Film, "whole"));
        var trace = (await _gate.Get<Streams>().ReadAsync(failed.Value, CancellationToken.None))[^1].EventId;

        using var first = await _gate.ConnectAsync(failed);
        await first.ExpectAsync($$"""{"type":"hello","job_id":"{{failed}}","current_state":{"step":"Failed","progress":0,"current_frame":0,"total_frames":720,"started_at":"2026-05-27T10:00:00Z"},"seq":3}""");
        await first.ExpectAsync($$"""
            {"type":"failed","job_id":"{{failed}}","failed_at_step":"Rendering","error_message":"AE crashed too many times on this template","error_code":"AE_REPEATED_CRASH","refund_issued":true,"trace_id":"{{trace}}","seq":3}
            """);
        using var second = await _gate.ConnectAsync(cancelled);
        await second.ExpectAsync($$"""{"type":"hello","job_id":"{{cancelled}}","current_state":{"step":"Cancelled","progress":42,"current_frame":302,"total_frames":720,"started_at":"2026-05-27T10:00:00Z"},"seq":3}""");
        await second.ExpectAsync($$"""{"type":"cancelled","job_id":"{{cancelled}}","cancelled_at":"2026-05-27T10:03:12.5Z","progress_when_cancelled":42,"seq":3}""");
        using var third = await _gate.ConnectAsync(done);
        (await third.NextAsync()).GetProperty("current_state").GetProperty("progress").GetInt32().ShouldBe(100);
        (await third.NextAsync()).GetProperty("type").GetString().ShouldBe("done");

        await _gate.EndAsync(LiveClose.Normal, first, second, third);
    }

    [Fact]
    public async Task Trouble_with_a_node_is_told_once_for_all_the_work_it_had_in_hand()
    {
        var id = await _gate.QueuedAsync();
        using var client = await _gate.WatchAsync(id);
        var bus = _gate.Get<MassTransit.IBus>();
        await bus.Publish(new NodeCrashed(Node, id, "render", 3, "ENGINE_CRASHED", "AE crashed on node-7, work reassigned"));
        await client.ExpectAsync($$"""{"type":"node_event","job_id":"{{id}}","event":"node_crashed","node_id":"{{Node}}","auto_recovered":true,"message":"AE crashed on node-7, work reassigned","seq":1}""");
        for (var chunk = 0; chunk < 4; chunk++) await bus.Publish(new ChunkExpired(id, "render", chunk, 1, new LeaseId(Ids.New()), Node, "node-7 is silent"));
        await _gate.HappensAsync(id, Rendering(id));
        (await client.NextAsync("node_event")).GetProperty("event").GetString().ShouldBe("node_lost");
        await Until.SoAsync("the step has changed", async () => (await client.NextAsync()) is var next && next.GetProperty("type").GetString() switch { "node_event" => throw new InvalidOperationException("told twice"), "step_change" => true, _ => false });
    }

    [Fact]
    public async Task What_happens_without_a_message_of_its_own_is_a_note_to_the_progress()
    {
        var id = await _gate.QueuedAsync();
        using var client = await _gate.WatchAsync(id);
        await _gate.HappensAsync(id, new JobHeld(id, "support", "a look at the template"));
        (await client.NextAsync("progress")).GetProperty("message").GetString().ShouldBe("held: a look at the template");
        await _gate.HappensAsync(id, new JobReleased(id, "support", "it is fine"));
        await Until.SoAsync("the note is gone", async () =>
            await _gate.MeanwhileAsync(client.NextAsync("progress")) is var progress && progress.GetProperty("message").ValueKind == JsonValueKind.Null && progress.GetProperty("seq").GetInt64() == 3);
    }

    [Fact]
    public async Task Who_may_not_watch_is_let_in_only_to_be_told_so()
    {
        var (mine, anothers) = (await _gate.QueuedAsync(), await _gate.QueuedAsync(tenant: new TenantId(Ids.New())));
        foreach (var (id, token, code) in new[]
        {
            (mine, null, LiveClose.Unauthorized), (mine, "", LiveClose.Unauthorized), (mine, "not-a-token", LiveClose.Unauthorized), (anothers, "not-a-token", LiveClose.Unauthorized),
            (anothers, Gate.Token, LiveClose.Forbidden), (new JobId(Ids.New()), Gate.Token, LiveClose.NotFound),
        })
        {
            using var client = await _gate.ConnectAsync(id, token);
            await client.EndsAsync(code);
        }

        using var nothing = await Client.ConnectAsync(new Uri(_gate.Address, $"/ws/v1/render/not-a-uuid?token={Gate.Token}"));
        await nothing.EndsAsync(LiveClose.NotFound);
        await Until.SoAsync("nobody is remembered", () => Task.FromResult(_gate.Hub.Count == (0, 0)));
    }

    [Fact]
    public async Task Who_does_not_speak_the_protocol_is_refused_with_the_envelope()
    {
        var id = await _gate.QueuedAsync();
        foreach (var protocols in new string[][] { [], ["flatrender.v2"], ["graphql-ws", "flatrender.v0"] })
        {
            using var socket = new ClientWebSocket();
            foreach (var protocol in protocols) socket.Options.AddSubProtocol(protocol);
            socket.Options.CollectHttpResponseDetails = true;
            await Should.ThrowAsync<WebSocketException>(() => socket.ConnectAsync(new Uri(_gate.Address, $"/ws/v1/render/{id}?token={Gate.Token}"), CancellationToken.None));
            socket.HttpStatusCode.ShouldBe(HttpStatusCode.BadRequest);
        }

        using var http = new HttpClient();
        using var answer = await http.GetAsync(new Uri($"http://{_gate.Address.Authority}/ws/v1/render/{id}?token={Gate.Token}"));
        answer.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        JsonSerializer.Deserialize<ErrorEnvelope>(await answer.Content.ReadAsStringAsync(), Wire.Json)!.Error.Code.ShouldBe("NOT_A_WEBSOCKET");
    }

    [Fact]
    public async Task What_nobody_told_the_gateway_of_is_found_in_the_store()
    {
        // No relay runs here: what is written is in the store, and no word of it on the bus.
        await using var gate = await Gate.OpenAsync(relay: false);
        var id = await gate.QueuedAsync();
        using var client = await gate.WatchAsync(id);
        await gate.HappensAsync(id, Rendering(id));
        var told = await gate.MeanwhileAsync(client.NextAsync("step_change"), TimeSpan.FromSeconds(1));
        told.GetProperty("to_step").GetString().ShouldBe("Rendering");
    }

    [Fact]
    public async Task A_token_is_in_no_log()
    {
        // Whatever is logged, down to the last trace.
        await using var gate = await Gate.OpenAsync(loud: true);
        var id = await gate.QueuedAsync();
        using (var client = await gate.WatchAsync(id)) await client.SayAsync(new { type = "nonsense" });
        using var stranger = await gate.ConnectAsync(id, "a-strangers-token");
        await stranger.ClosedAsync();
        gate.Log.Lines.Count().ShouldBeGreaterThan(20);
        gate.Log.Lines.Where(l => l.Contains(Gate.Token, StringComparison.Ordinal) || l.Contains("a-strangers-token", StringComparison.Ordinal)).ShouldBeEmpty();
    }
}
