using System.Text.Json;
using FlatRender.Contracts;
using Npgsql;

namespace FlatRender.EventStore;

/// <summary>Facts for one stream, in order.</summary>
/// <param name="Type">The stream's kind, snake_case.</param>
public sealed record StreamFacts(Guid StreamId, string Type, IReadOnlyList<object> Facts);

/// <summary>Appends facts in a transaction of the caller's: they are history when its rows are there, and never were when they are not.</summary>
public sealed class Alongside(EventStoreOptions options, Wake wake, TimeProvider clock)
{
    /// <summary>
    /// Stands on whatever each stream is at. Locks the streams until the transaction ends, so it is called last in it: whoever commits to one of them waits that long,
    /// and so does every reader of facts that is at the numbers drawn here.
    /// </summary>
    /// <param name="db">In a transaction.</param>
    /// <exception cref="ConcurrencyException">The stream was born by another at the same moment; the transaction must be begun again.</exception>
    public async Task AppendAsync(NpgsqlConnection db, IReadOnlyCollection<StreamFacts> facts, string actor, CancellationToken cancel)
    {
        if (facts.Count == 0) return;
        var streams = facts.GroupBy(f => f.StreamId).OrderBy(s => s.Key).ToArray();
        var ends = await EndsAsync(db, [.. streams.Select(s => s.Key)], cancel);
        var units = new List<UnitOfWork>(streams.Length);
        var now = clock.GetUtcNow();
        foreach (var stream in streams)
        {
            var unit = new UnitOfWork(stream.Key, stream.First().Type, options.Vocabulary, FactHeaders.Of(actor, null), now);
            if (ends.TryGetValue(stream.Key, out var end)) unit.StandOn(end.Version, end.Hash);
            foreach (var fact in stream.SelectMany(s => s.Facts)) unit.Append(fact);
            units.Add(unit);
        }
        await using var append = Append.Of(db, options.Schema, units);
        var accepted = 0;
        await using var rows = await append.ExecuteReaderAsync(cancel);
        while (await rows.ReadAsync(cancel)) accepted++;
        if (accepted < units.Count) throw new ConcurrencyException(streams[0].Key, 0);
    }

    /// <summary>Puts messages about one stream into the agenda, due at once: sent after the caller's commit and never without it, by whichever process looks first.</summary>
    /// <param name="db">In a transaction.</param>
    public async Task AskAsync(NpgsqlConnection db, Guid streamId, IReadOnlyCollection<object> messages, string actor, CancellationToken cancel)
    {
        if (messages.Count == 0) return;
        var headers = FactHeaders.Of(actor, null).Unsigned;
        await db.RunAsync($"""
            INSERT INTO {options.Schema}.agenda (kind, stream_id, due, type, data, headers)
            SELECT 'ask', $1, $2, m.type, m.data::jsonb, $3::text::jsonb FROM unnest($4::text[], $5::text[]) WITH ORDINALITY AS m (type, data, n) ORDER BY m.n
            """, cancel, streamId, clock.GetUtcNow(), headers,
            messages.Select(m => options.Vocabulary.NameOf(m.GetType())).ToArray(), messages.Select(m => JsonSerializer.Serialize(m, m.GetType(), Wire.Json)).ToArray());
    }

    /// <summary>Wakes who sends the agenda: once the transaction has committed.</summary>
    public void Asked() => wake.Committed(facts: false, agenda: true);

    /// <summary>Wakes who waits for facts: once the transaction has committed. Forgotten, they are seen at the next poll.</summary>
    public void Committed() => wake.Committed(facts: true, agenda: false);

    // Locked first, in the order of the append's own locks, and looked at afterwards: one statement that does both would see, beside the new version of a row it has waited for, the facts of before the wait.
    async Task<Dictionary<Guid, (long Version, string? Hash)>> EndsAsync(NpgsqlConnection db, Guid[] streams, CancellationToken cancel)
    {
        await db.RunAsync($"SELECT FROM {options.Schema}.mt_streams WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE", cancel, streams);
        return (await db.QueryAsync($"SELECT s.id, s.version, e.headers->>'hash' FROM {options.Schema}.mt_streams s LEFT JOIN {options.Schema}.mt_events e ON e.stream_id = s.id AND e.version = s.version WHERE s.id = ANY ($1)",
            row => (Id: row.GetGuid(0), Version: row.GetInt64(1), Hash: row.Text(2)), cancel, streams)).ToDictionary(s => s.Id, s => (s.Version, s.Hash));
    }
}
