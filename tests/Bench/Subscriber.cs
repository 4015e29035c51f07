using System.Collections.Concurrent;
using System.Text.Json;

namespace FlatRender.Bench;

/// <param name="Key">The routing key.</param>
sealed record HeardFact(string Key, Guid Stream, long Version, long Seq, JsonElement Whole);

/// <summary>A foreign subscriber (Node's amqplib, a durable queue of its own) and what it has heard, in that order.</summary>
sealed class Subscriber : IAsyncDisposable
{
    readonly ConcurrentQueue<HeardFact> _heard = [];
    Script _script = null!;
    long _furthest;

    public IReadOnlyList<HeardFact> Heard => [.. _heard];

    /// <summary>What it heard and the published documents do not say.</summary>
    public IReadOnlyList<string> Complaints => [.. _heard.SelectMany(h => h.Whole.GetProperty("complaints").EnumerateArray().Select(c => $"{h.Key}: {c}"))];

    /// <summary>The highest seq_id heard.</summary>
    public long Furthest => Interlocked.Read(ref _furthest);

    /// <param name="broker">amqp://..., several with commas.</param>
    public static async Task<Subscriber> StartAsync(string root, string broker, string queue, string binding)
    {
        var subscriber = new Subscriber();
        subscriber._script = await Script.StartAsync(root, "subscriber.mjs", [broker, queue, binding], subscriber.Hear);
        return subscriber;
    }

    void Hear(JsonElement said)
    {
        var headers = said.GetProperty("headers");
        var fact = new HeardFact(said.GetProperty("key").GetString()!, headers.GetProperty("stream_id").GetGuid(), headers.GetProperty("version").GetInt64(), headers.GetProperty("seq_id").GetInt64(), said);
        _heard.Enqueue(fact);
        if (fact.Seq > Furthest) Interlocked.Exchange(ref _furthest, fact.Seq);
    }

    public ValueTask DisposeAsync() => _script.DisposeAsync();
}
