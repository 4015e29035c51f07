using System.Text.Json;
using FlatRender.Contracts;
using Npgsql;

namespace FlatRender.EventStore;

/// <summary>A stream as listed: its version and when it last moved.</summary>
public sealed record StreamLine(Guid Id, string Type, long Version, DateTimeOffset Created, DateTimeOffset Timestamp);

/// <summary>Reading streams and memories, and appending facts outside a saga.</summary>
public sealed class Streams(EventStoreOptions options, ICommit commit, TimeProvider clock)
{
    /// <summary>The last hash of streams appended to here, so that the next append reads nothing.</summary>
    readonly Recollection _last = new(options);

    /// <summary>The facts of one stream, by version.</summary>
    public Task<List<RecordedEvent>> ReadAsync(Guid streamId, CancellationToken cancel) => ReadAsync(streamId, 1, long.MaxValue, cancel);

    /// <summary>The facts of one stream between two versions, both included.</summary>
    public Task<List<RecordedEvent>> ReadAsync(Guid streamId, long from, long to, CancellationToken cancel) => ListAsync(
        $"SELECT {RecordedEvent.Columns} FROM {options.Schema}.mt_events e WHERE e.stream_id = $1 AND e.version BETWEEN $2 AND $3 ORDER BY e.version", r => RecordedEvent.From(r), cancel, streamId, from, to);

    /// <summary>What each of these streams has beyond the version named with it; stream by stream, by version.</summary>
    public Task<List<RecordedEvent>> ReadBeyondAsync(Guid[] streamIds, long[] versions, CancellationToken cancel) => ListAsync(
        $"SELECT {RecordedEvent.Columns} FROM unnest($1, $2) AS known (id, version) JOIN {options.Schema}.mt_events e ON e.stream_id = known.id AND e.version > known.version ORDER BY e.stream_id, e.version", r => RecordedEvent.From(r), cancel, streamIds, versions);

    /// <summary>The memory as its facts make it, at a version or now; null if the stream has no fact so early.</summary>
    /// <exception cref="UnknownWordException">A fact is of a type this build does not know: guessing a memory is worse than having none.</exception>
    public async Task<TMemory?> FoldAsync<TMemory>(Guid streamId, long? atVersion, CancellationToken cancel) where TMemory : class, IMemory<TMemory>
    {
        var facts = await ReadAsync(streamId, 1, atVersion ?? long.MaxValue, cancel);
        return facts.Count == 0 ? null : facts.Aggregate(TMemory.Unborn(streamId), (memory, e) => memory.Apply(e.Fact(options.Vocabulary)));
    }

    /// <summary>The memory as it is stored, or null.</summary>
    public Task<TMemory?> LoadAsync<TMemory>(Guid id, CancellationToken cancel) where TMemory : class, IMemory<TMemory> =>
        FirstAsync($"SELECT d.data::text FROM {options.Schema}.{Names<TMemory>.Document} d WHERE d.id = $1", Memory<TMemory>, cancel, id);

    /// <summary>The stored memories that are in one of these states; with none named, all. Oldest stream first.</summary>
    public Task<List<TMemory>> MemoriesAsync<TMemory>(IReadOnlyList<string> states, CancellationToken cancel) where TMemory : class, IMemory<TMemory> =>
        ListAsync($"SELECT d.data::text FROM {options.Schema}.{Names<TMemory>.Document} d JOIN {options.Schema}.mt_streams s ON s.id = d.id WHERE cardinality($1) = 0 OR d.data->>'state' = ANY ($1) ORDER BY s.created, s.id", Memory<TMemory>, cancel, [states.ToArray()]);

    /// <summary>Every stream of a type, oldest first.</summary>
    public Task<List<StreamLine>> StreamsAsync(string type, CancellationToken cancel) =>
        ListAsync($"SELECT s.id, s.type, s.version, s.created, s.timestamp FROM {options.Schema}.mt_streams s WHERE s.type = $1 ORDER BY s.created, s.id",
            r => new StreamLine(r.GetGuid(0), r.GetString(1), r.GetInt64(2), r.GetFieldValue<DateTimeOffset>(3), r.GetFieldValue<DateTimeOffset>(4)), cancel, type);

    /// <summary>Version of the stream's last fact; 0 if it is not born.</summary>
    public Task<long> VersionAsync(Guid streamId, CancellationToken cancel) =>
        FirstAsync($"SELECT s.version FROM {options.Schema}.mt_streams s WHERE s.id = $1", r => r.GetInt64(0), cancel, streamId);

    /// <summary>Appends facts that no saga remembers: a ledger's, a node's. Returns the new version.</summary>
    /// <param name="type">The stream's kind, snake_case.</param>
    /// <param name="expected">The version the caller decided on; 0 for a stream not yet born.</param>
    /// <param name="reminders">Rows of the agenda, in the same commit.</param>
    /// <exception cref="ConcurrencyException">The stream is at another version.</exception>
    public async Task<long> AppendAsync(Guid streamId, string type, long expected, IReadOnlyList<object> facts, string actor, CancellationToken cancel, params IEnumerable<(DateTimeOffset Due, object Reminder)> reminders)
    {
        var unit = new UnitOfWork(streamId, type, options.Vocabulary, FactHeaders.Of(actor, null), clock.GetUtcNow());
        var hash = expected == 0 ? null : _last.Find(streamId) is { } last && last.Version == expected ? last.Hash : await FirstAsync($"SELECT e.headers->>'hash' FROM {options.Schema}.mt_events e WHERE e.stream_id = $1 AND e.version = $2", r => r.Text(0), cancel, streamId, expected);
        unit.StandOn(expected, hash);
        foreach (var fact in facts) unit.Append(fact);
        foreach (var (due, reminder) in reminders) unit.Remind(due, reminder);
        await commit.CommitAsync(unit, cancel);
        _last.Keep(streamId, new Remembered(this, expected + facts.Count, unit.Hash));
        return expected + facts.Count;
    }

    internal Task<Remembered?> RecallAsync(StreamedSaga saga, Guid id, CancellationToken cancel) => FirstAsync(
        $"""
        SELECT d.data::text, s.version, e.headers->>'hash'
        FROM {options.Schema}.mt_streams s
        JOIN {options.Schema}.{saga.Document} d ON d.id = s.id
        LEFT JOIN {options.Schema}.mt_events e ON e.stream_id = s.id AND e.version = s.version
        WHERE s.id = $1
        """, r => new Remembered(saga.Memorized(r.GetString(0)), r.GetInt64(1), r.Text(2)), cancel, id);

    static TMemory Memory<TMemory>(NpgsqlDataReader row) => JsonSerializer.Deserialize<TMemory>(row.GetString(0), Wire.Json)!;

    async Task<T?> FirstAsync<T>(string sql, Func<NpgsqlDataReader, T> read, CancellationToken cancel, params object[] values) =>
        (await ListAsync(sql, read, cancel, values)).FirstOrDefault();

    Task<List<T>> ListAsync<T>(string sql, Func<NpgsqlDataReader, T> read, CancellationToken cancel, params object[] values) => options.DataSource.QueryAsync(sql, read, cancel, values);
}
