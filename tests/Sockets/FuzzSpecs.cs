using System.Globalization;
using System.Net.WebSockets;
using System.Text;
using FlatRender.Contracts;

namespace FlatRender.Sockets.Tests;

/// <summary>What measures the memory of the whole process runs when nothing else does.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class Alone
{
    public const string Name = "alone";
}

/// <summary>Whatever a client sends: the codes of the protocol, and nothing that stays behind.</summary>
[Collection(Alone.Name)]
public sealed class FuzzSpecs : IAsyncLifetime
{
    const int Clients = 6, Seed = 20260527;

    /// <summary>More, for a campaign: each takes a connection or a third of one.</summary>
    static readonly int s_messages = int.Parse(Environment.GetEnvironmentVariable("FLATRENDER_FUZZ") ?? "1000", CultureInfo.InvariantCulture);

    readonly System.Collections.Concurrent.ConcurrentDictionary<int, int> _closes = new();
    Gate _gate = null!;

    public async Task InitializeAsync() => _gate = await Gate.OpenAsync();
    public Task DisposeAsync() => _gate.DisposeAsync().AsTask();

    static readonly string[] s_seeds =
    [
        """{"type":"pong","t":1714294800}""",
        """{"type":"subscribe_snapshot","snapshot_id":"3f1c2a7e-58c4-4b0f-9f0a-0d5b6e1f2a3b"}""",
        """{"type":"cancel_job","job_id":"3f1c2a7e-58c4-4b0f-9f0a-0d5b6e1f2a3b"}""",
    ];

    // 1002 and 1007 are the WebSocket's own words (RFC 6455) for frames that are none and text that is no text: the protocol above never sees them.
    static readonly int[] s_documented = [LiveClose.BadMessage, LiveClose.RateLimited, 1002, 1007];
    static readonly string[] s_errors = ["RATE_LIMIT", "FORBIDDEN", "NOT_FOUND"];

    [Fact]
    public async Task Mutated_messages_meet_only_documented_answers_and_memory_stays_flat()
    {
        var id = await _gate.QueuedAsync();
        await SendAsync(id, new Random(Seed), 400);
        var used = Used();
        await Task.WhenAll(Enumerable.Range(1, Clients).Select(n => SendAsync(id, new Random(Seed + n), (s_messages - 400) / Clients)));
        await BehaveAsync(id);
        await Until.SoAsync("nobody is remembered", () => Task.FromResult(_gate.Hub.Count == (0, 0)));
        (Used() - used).ShouldBeLessThan(8 << 20, "bytes in use grew with the messages that came");
        _closes.Keys.ShouldContain(LiveClose.BadMessage);
        _gate.Log.Lines.Where(l => l.StartsWith("Error", StringComparison.Ordinal) || l.StartsWith("Critical", StringComparison.Ordinal)).ShouldBeEmpty();
    }

    /// <summary>Three on a socket pass the limit; whoever is still open then says good-bye.</summary>
    async Task SendAsync(JobId id, Random random, int messages)
    {
        for (var sent = 0; sent < messages;)
        {
            using var client = await _gate.WatchAsync(id);
            var answers = client.ToTheEndAsync();
            for (var n = 0; n < 3 && !answers.IsCompleted; n++, sent++)
            {
                var (bytes, type) = Mutated(random);
                try
                {
                    await client.SayAsync(bytes, type);
                }
                catch (WebSocketException)
                {
                    break;
                }
            }

            await client.GoAsync();
            var (told, code) = await answers;
            _closes[code] = 0;
            if (code != LiveClose.Normal) s_documented.ShouldContain(code, client.Goodbye);
            told.Select(m => m.TryGetProperty("code", out var error) ? error.GetString()! : m.ToString()).Except(s_errors).ShouldBeEmpty();
        }
    }

    /// <summary>After all that, one who keeps to the protocol is served as ever.</summary>
    async Task BehaveAsync(JobId id)
    {
        using var client = await _gate.WatchAsync(id);
        var answers = client.ToTheEndAsync();
        await client.SayAsync(Encoding.UTF8.GetBytes(s_seeds[0]), WebSocketMessageType.Text);
        await client.GoAsync();
        var (told, code) = await answers;
        code.ShouldBe(LiveClose.Normal);
        told.ShouldBeEmpty();
    }

    long Used()
    {
        _gate.Log.Clear();
        return GC.GetTotalMemory(forceFullCollection: true);
    }

    static (byte[], WebSocketMessageType) Mutated(Random random)
    {
        var bytes = Encoding.UTF8.GetBytes(s_seeds[random.Next(s_seeds.Length)]).ToList();
        for (var n = random.Next(6); n > 0; n--)
        {
            var at = random.Next(bytes.Count + 1);
            switch (random.Next(6))
            {
                case 0 when at < bytes.Count: bytes[at] ^= (byte)(1 << random.Next(8)); break;
                case 1 when at < bytes.Count: bytes.RemoveAt(at); break;
                case 2: bytes.Insert(at, (byte)random.Next(256)); break;
                case 3: bytes.InsertRange(at, Encoding.UTF8.GetBytes(s_seeds[random.Next(s_seeds.Length)])); break;
                case 4: bytes.InsertRange(at, Enumerable.Repeat((byte)"[{\"0 "[random.Next(5)], random.Next(2000))); break;
                case 5: bytes.RemoveRange(at, random.Next(bytes.Count - at + 1)); break;
            }
        }

        return ([.. bytes], random.Next(40) == 0 ? WebSocketMessageType.Binary : WebSocketMessageType.Text);
    }
}
