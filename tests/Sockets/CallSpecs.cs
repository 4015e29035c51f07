using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using FlatRender.Contracts;

namespace FlatRender.Sockets.Tests;

/// <summary>What a client may say, how often, and how long it may be silent.</summary>
public sealed class CallSpecs : IAsyncLifetime
{
    Gate _gate = null!;

    public async Task InitializeAsync() => _gate = await Gate.OpenAsync();
    public Task DisposeAsync() => _gate.DisposeAsync().AsTask();

    static readonly object Pong = new { type = "pong", t = 1714294800 };

    static readonly string[] s_nonsense =
    [
        "no json",
        "",
        "{",
        "[]",
        "null",
        "42",
        "{}",
        """{"t":1}""",
        """{"type":null}""",
        """{"type":7}""",
        """{"type":"hello"}""",
        """{"type":"PONG","t":1}""",
        """{"type":"pong"}""",
        """{"type":"pong","t":"1"}""",
        """{"type":"pong","t":1.5}""",
        """{"type":"pong","t":1}{"type":"pong","t":1}""",
        """{"type":"pong","type":"cancel_job","t":1}""",
        """{"type":"cancel_job"}""",
        """{"type":"cancel_job","job_id":null}""",
        """{"type":"cancel_job","job_id":"1"}""",
        """{"type":"cancel_job","job_id":{"a":[1]}}""",
        """{"type":"subscribe_snapshot","snapshot_id":5}""",
    ];

    [Fact]
    public async Task What_is_no_message_of_the_protocol_closes_the_socket()
    {
        var id = await _gate.QueuedAsync();
        foreach (var text in s_nonsense)
        {
            using var client = await _gate.WatchAsync(id);
            await client.SayAsync(text);
            await client.EndsAsync(LiveClose.BadMessage);
        }
    }

    [Fact]
    public async Task Binary_and_what_is_too_long_close_the_socket()
    {
        var id = await _gate.QueuedAsync();
        using var binary = await _gate.WatchAsync(id);
        await binary.SayAsync(JsonSerializer.SerializeToUtf8Bytes(Pong), WebSocketMessageType.Binary);
        await binary.EndsAsync(LiveClose.BadMessage);

        using var longest = await _gate.WatchAsync(id);
        await longest.SayAsync(Padded(64 << 10));
        await longest.SayAsync(new { type = "cancel_job", job_id = Ids.New() });
        (await longest.NextAsync()).GetProperty("code").GetString().ShouldBe("FORBIDDEN");

        using var longer = await _gate.WatchAsync(id);
        await longer.SayAsync(Padded((64 << 10) + 1));
        await longer.EndsAsync(LiveClose.BadMessage);
        using var far = await _gate.WatchAsync(id);
        await far.SayAsync(Padded(3 << 20));
        await far.EndsAsync(LiveClose.BadMessage);

        static byte[] Padded(int bytes) => Encoding.ASCII.GetBytes("""{"type":"pong","t":1}""".PadRight(bytes));
    }

    [Fact]
    public async Task Five_messages_a_second_are_heard_and_the_sixth_is_complained_of()
    {
        using var client = await _gate.WatchAsync(await _gate.QueuedAsync());
        for (var second = 0; second < 4; second++)
        {
            for (var n = 0; n < 5; n++) await client.SayAsync(new { type = "cancel_job", job_id = Ids.New() });
            for (var n = 0; n < 5; n++) (await client.NextAsync()).GetProperty("code").GetString().ShouldBe("FORBIDDEN");
            _gate.Clock.Advance(TimeSpan.FromSeconds(1.1));
        }

        for (var n = 0; n < 6; n++) await client.SayAsync(new { type = "cancel_job", job_id = Ids.New() });
        for (var n = 0; n < 5; n++) (await client.NextAsync()).GetProperty("code").GetString().ShouldBe("FORBIDDEN");
        await client.ExpectAsync("""{"type":"error","code":"RATE_LIMIT","message":"Too many messages; slow down"}""");
        // What was too much is forgiven when it stops.
        _gate.Clock.Advance(TimeSpan.FromSeconds(3));
        await client.SayAsync(new { type = "cancel_job", job_id = Ids.New() });
        (await client.NextAsync()).GetProperty("code").GetString().ShouldBe("FORBIDDEN");
    }

    [Fact]
    public async Task Who_goes_on_too_fast_is_shut_out()
    {
        var id = await _gate.QueuedAsync();
        using var flood = await _gate.WatchAsync(id);
        for (var n = 0; n < 31; n++) await flood.SayAsync(Pong);
        await flood.ExpectAsync("""{"type":"error","code":"RATE_LIMIT","message":"Too many messages; slow down"}""");
        await flood.EndsAsync(LiveClose.RateLimited);

        // A little too fast, for long.
        using var steady = await _gate.WatchAsync(id);
        var reading = steady.ToTheEndAsync();
        // Shut out after 40 of them; and not so far that it would be cut before it has read so.
        for (var n = 0; !reading.IsCompleted && n < 60; n++)
        {
            await _gate.SayAsync(steady, Pong, unless: () => reading.IsCompleted);
            _gate.Clock.Advance(TimeSpan.FromMilliseconds(150));
        }

        var (messages, code) = await reading;
        code.ShouldBe(LiveClose.RateLimited);
        messages.ShouldAllBe(m => m.GetProperty("code").GetString() == "RATE_LIMIT");
        messages.Count.ShouldBeInRange(3, 7);
    }

    [Fact]
    public async Task A_client_is_pinged_and_one_that_never_answers_is_given_up()
    {
        var id = await _gate.QueuedAsync();
        using var silent = await _gate.WatchAsync(id);
        using var answering = await _gate.WatchAsync(id);
        // Their time begins just after the hello: who is heard has it behind them.
        foreach (var client in new[] { silent, answering }) await _gate.SayAsync(client, Pong);
        var listening = silent.ToTheEndAsync();
        for (var n = 0; n < 6; n++)
        {
            _gate.Clock.Advance(TimeSpan.FromSeconds(7));
            _gate.Clock.Advance(TimeSpan.FromSeconds(8));
            var ping = await answering.NextAsync();
            ping.GetProperty("type").GetString().ShouldBe("ping");
            ping.GetProperty("t").GetInt64().ShouldBeInRange(_gate.Clock.GetUtcNow().ToUnixTimeSeconds() - 2, _gate.Clock.GetUtcNow().ToUnixTimeSeconds());
            await _gate.SayAsync(answering, new { type = "pong", t = ping.GetProperty("t").GetInt64() });
            // Given up now; it is cut when it does not go soon, so time waits for it.
            if (n == 2) await listening;
        }

        var (messages, code) = await listening;
        code.ShouldBe(LiveClose.BadMessage);
        silent.Goodbye.ShouldBe("no pong");
        messages.Count.ShouldBeInRange(2, 3);
    }

    [Fact]
    public async Task Nothing_is_said_before_the_hello_however_long_the_store_takes()
    {
        var id = await _gate.QueuedAsync();
        await using var busy = await _gate.Get<Npgsql.NpgsqlDataSource>().OpenConnectionAsync();
        await using var held = await busy.BeginTransactionAsync();
        await using (var hold = new Npgsql.NpgsqlCommand("LOCK TABLE eventstore.mt_events IN ACCESS EXCLUSIVE MODE", busy, held)) await hold.ExecuteNonQueryAsync();
        using var client = await _gate.ConnectAsync(id);
        await Until.SoAsync("the socket is in", () => Task.FromResult(_gate.Hub.Count is (1, 1)));
        _gate.Clock.Advance(TimeSpan.FromSeconds(20));
        await held.RollbackAsync();
        (await client.NextAsync()).GetProperty("type").GetString().ShouldBe("hello");
    }

    [Fact]
    public async Task A_render_is_cancelled_over_its_own_socket_and_over_no_other()
    {
        var (id, other) = (await _gate.QueuedAsync(), await _gate.QueuedAsync());
        using var client = await _gate.WatchAsync(id);
        await client.SayAsync(new { type = "cancel_job", job_id = other });
        await client.ExpectAsync("""{"type":"error","code":"FORBIDDEN","message":"This socket is another render's."}""");

        var asked = _gate.Asked.NextAsync();
        await client.SayAsync(new { type = "cancel_job", job_id = id });
        var cancel = await asked;
        cancel.JobId.ShouldBe(id);
        await _gate.HappensAsync(id, new JobCancelled(id, DateTimeOffset.UnixEpoch, cancel.Progress, cancel.By, cancel.Reason));
        (await client.NextAsync("cancelled")).GetProperty("progress_when_cancelled").GetInt32().ShouldBe(0);
        await client.SayAsync(new { type = "cancel_job", job_id = id });
        await client.ExpectAsync("""{"type":"error","code":"NOT_CANCELLABLE","message":"The render is Cancelled already."}""");
        await _gate.EndAsync(LiveClose.Normal, client);
    }

    [Fact]
    public async Task Everybody_is_told_when_the_server_goes_away()
    {
        var id = await _gate.QueuedAsync();
        using var first = await _gate.WatchAsync(id);
        using var second = await _gate.WatchAsync(await _gate.QueuedAsync());
        var stopping = _gate.StopAsync();
        await first.EndsAsync(LiveClose.GoingAway);
        await second.EndsAsync(LiveClose.GoingAway);
        await stopping;
    }
}
