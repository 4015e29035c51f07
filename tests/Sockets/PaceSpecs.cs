using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using FlatRender.Contracts;
using FlatRender.Gateway.Sockets;

namespace FlatRender.Sockets.Tests;

/// <summary>How fast a client is spoken to, and what a client that does not listen costs.</summary>
public sealed class PaceSpecs : IAsyncLifetime
{
    Gate _gate = null!;

    public async Task InitializeAsync() => _gate = await Gate.OpenAsync(LiveLimits.Default with { Waiting = 20 });
    public Task DisposeAsync() => _gate.DisposeAsync().AsTask();

    static readonly string Preview = "data:image/jpeg;base64," + new string('A', 12_000);

    RenderProgress Progress(JobId id, int done) => new(id, done, 100_000, 45, 3, 8.5, done % 10 == 0 ? Preview : null);

    /// <summary>500 progress messages a second, for so many seconds of the hand-moved clock.</summary>
    void Flood(JobId id, int seconds)
    {
        for (var n = 1; n <= seconds * 500; n++)
        {
            _gate.Hub.Progressed(Progress(id, n));
            _gate.Clock.Advance(TimeSpan.FromMilliseconds(2));
        }
    }

    [Fact]
    public async Task In_a_flood_of_progress_a_client_gets_two_a_second_a_picture_every_other_and_always_the_end()
    {
        var id = await _gate.QueuedAsync(100_000);
        using var client = await _gate.WatchAsync(id);
        // Its time begins just after the hello: who is heard has it behind them.
        await _gate.SayAsync(client, new { type = "pong", t = 1 });
        var reading = ToTheLastAsync();
        Flood(id, 24);
        await _gate.HappensAsync(id, new JobCancelled(id, DateTimeOffset.UnixEpoch, 30, "test", "enough"));
        // The clock stands still while the word of it travels, however long that takes.
        var messages = await reading;
        await _gate.EndAsync(LiveClose.Normal, client);
        Type(messages[^2]).ShouldBe("step_change");
        var progress = messages.Where(m => Type(m) == "progress").ToArray();
        progress.Length.ShouldBeInRange(12, 49);
        progress.Count(p => p.GetProperty("preview_b64").ValueKind != JsonValueKind.Null).ShouldBeInRange(3, 13);
        progress.Select(p => p.GetProperty("current_frame").GetInt32()).ShouldBeInOrder();
        messages.Count(m => Type(m) == "ping").ShouldBe(1);

        async Task<List<JsonElement>> ToTheLastAsync()
        {
            var messages = new List<JsonElement>();
            do messages.Add(await client.NextAsync());
            while (Type(messages[^1]) != "cancelled");
            return messages;
        }
    }

    [Fact]
    public async Task Many_changes_at_once_are_all_told_ten_a_second_and_in_their_order()
    {
        var id = await _gate.QueuedAsync();
        using var client = await _gate.WatchAsync(id);
        // Thirteen step changes and six repairs, in one commit.
        var facts = new List<object> { new JobRendering(id, 1, 0, null, DateTimeOffset.UnixEpoch, "began") };
        for (var n = 1; n <= 6; n++) facts.AddRange([new JobValidating(id, n, 0, 1, "in"), new JobRepair(id, n, 0, [n], [], n, 6, "bad")]);
        await _gate.HappensAsync(id, [.. facts]);

        var steps = new List<string>();
        for (var told = 0; told < 9; told++) Note(await client.NextAsync());
        // Hello was the first of ten. A message is counted just after it is sent.
        await Until.SoAsync("ten are counted", () => Task.FromResult(_gate.Hub.Tally.Told == 10));
        _gate.Clock.Advance(TimeSpan.FromMilliseconds(1099));
        _gate.Hub.Tally.Told.ShouldBe(10, "an eleventh message within the second");
        _gate.Clock.Advance(TimeSpan.FromMilliseconds(1));
        // Where the clock moved while the timer was being set, it rings so much later.
        Note(await _gate.MeanwhileAsync(client.NextAsync(), TimeSpan.FromMilliseconds(1099), steps: 1));
        for (var told = 11; told < 20; told++) Note(await client.NextAsync());

        steps.ShouldBe(["Rendering", .. Enumerable.Range(1, 6).SelectMany(n => new[] { "Validating", "Repair", $"frame {n}" })]);

        void Note(JsonElement message) => steps.Add(Type(message) == "frame_repair" ? $"frame {message.GetProperty("missing_frames")[0]}" : message.GetProperty("to_step").GetString()!);
    }

    [Fact]
    public async Task A_client_that_does_not_read_holds_up_nobody_and_is_let_go()
    {
        var id = await _gate.QueuedAsync(100_000);
        using var deaf = new TcpClient { ReceiveBufferSize = 4096 };
        await deaf.ConnectAsync(_gate.Address.Host, _gate.Address.Port);
        await deaf.GetStream().WriteAsync(Encoding.ASCII.GetBytes(
            $"GET /ws/v1/render/{id}?token={Gate.Token} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: flatrender.v1\r\n\r\n"));
        using var client = await _gate.WatchAsync(id);
        await Until.SoAsync("both are in", () => Task.FromResult(_gate.Hub.Count.Sockets == 2));

        // Big facts fill every buffer on the way to who does not read; the other is told all of them.
        int[] frames = [.. Enumerable.Range(0, 60_000)];
        for (var n = 1; n <= 20; n++)
        {
            await _gate.HappensAsync(id, new JobValidating(id, n, 0, 1, "in"), new JobRepair(id, n, 0, frames, [], n, 999, "bad"));
            for (var told = 0; told < 3;)
                if (Type(await _gate.MeanwhileAsync(client.NextAsync())) is not ("progress" or "ping")) told++;

            await client.SayAsync(new { type = "pong", t = 1 });
        }

        await Until.SoAsync("who did not read is gone", () =>
        {
            _gate.Clock.Advance(TimeSpan.FromSeconds(1));
            return Task.FromResult(_gate.Hub.Count.Sockets <= 1);
        });
    }

    static string Type(JsonElement message) => message.GetProperty("type").GetString()!;
}
