using System.Text.Json;
using System.Threading.Channels;
using Npgsql;

namespace FlatRender.EventStore;

/// <summary>A memory as it was at a version, and the facts that led to it.</summary>
/// <param name="Memory">JSON, as it would be stored.</param>
public sealed record Replayed(Guid StreamId, long Version, DateTimeOffset At, string Memory, IReadOnlyList<RecordedEvent> Facts);

/// <summary>Proves, or disproves, that the store holds what happened: replay, verification, export.</summary>
public sealed class Audit(EventStoreOptions options, IEnumerable<StreamKind> kinds, TimeProvider clock)
{
    /// <summary>Facts that one worker takes at a time.</summary>
    const int Load = 4000;

    readonly Dictionary<string, StreamKind> _kinds = kinds.ToDictionary(k => k.Type);

    /// <summary>The memory at a version, or at a time, or now (both null). Null: no stream of a known kind has a fact so early.</summary>
    /// <param name="at">Everything before the first fact of a later time: clocks of several machines differ, so a fact may bear an earlier time than the one before it, and none is left out in the middle.</param>
    public async Task<Replayed?> ReplayAsync(Guid streamId, long? version, DateTimeOffset? at, CancellationToken cancel)
    {
        await using var db = await options.DataSource.OpenConnectionAsync(cancel);
        if (await KindAsync(db, streamId, cancel) is not { } kind) return null;
        var facts = new List<RecordedEvent>();
        var life = kind.Begin(streamId);
        await using var rows = await db.Command($"""
            SELECT {RecordedEvent.Columns} FROM {options.Schema}.mt_events e
            WHERE e.stream_id = $1 AND e.version <= $2 ORDER BY e.version
            """, streamId, version ?? long.MaxValue).ExecuteReaderAsync(cancel);
        while (await rows.ReadAsync(cancel))
        {
            var e = RecordedEvent.From(rows);
            if (e.Timestamp > at) break;
            life.Take(e.Fact(options.Vocabulary));
            facts.Add(e);
        }
        return facts.Count == 0 ? null : new(streamId, facts[^1].Version, facts[^1].Timestamp, life.Json, facts);
    }

    /// <summary>Checks every stream that has facts since then, each from its beginning: chain of hashes, versions, order, legal path, memory = fold.</summary>
    /// <param name="workers">Streams are checked by so many at once.</param>
    public async Task<AuditReport> VerifyAsync(Since since, CancellationToken cancel, int workers = 0)
    {
        var started = clock.GetTimestamp();
        var findings = new List<Finding>();
        long streams = 0, events = 0, found = 0;
        var loads = Channel.CreateBounded<Guid[]>(8);
        using var failed = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var checking = Enumerable.Range(0, workers > 0 ? workers : Math.Max(2, Environment.ProcessorCount)).Select(_ => Task.Run(async () =>
        {
            await foreach (var ids in loads.Reader.ReadAllAsync(failed.Token))
            {
                Interlocked.Add(ref streams, ids.Length);
                Interlocked.Add(ref events, await CheckAsync(ids, Found, failed.Token));
            }
        }, failed.Token)).ToArray();
        try
        {
            await Task.WhenAll([ListAsync(since, loads.Writer, failed.Token), .. checking.Select(async c =>
            {
                // One that fails takes the others along: nobody waits for a reader that is no more.
                try { await c; }
                catch { await failed.CancelAsync(); throw; }
            })]);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            await Task.WhenAll(checking.Where(c => c.IsFaulted));
            throw;
        }
        return new(streams, events, found, [.. findings.OrderBy(f => f.StreamId).ThenBy(f => f.Version ?? long.MaxValue)], clock.GetElapsedTime(started).TotalSeconds);

        void Found(Finding finding)
        {
            lock (findings)
            {
                found++;
                if (findings.Count < AuditReport.MaxFindings) findings.Add(finding);
            }
        }
    }

    /// <summary>Writes facts as NDJSON, one object a line: a stream's by version, or (null) all by number. Returns how many.</summary>
    public async Task<long> ExportAsync(Guid? streamId, Stream to, CancellationToken cancel)
    {
        await using var db = await options.DataSource.OpenConnectionAsync(cancel);
        await using var command = db.Command($"""
            SELECT {RecordedEvent.Columns} FROM {options.Schema}.mt_events e
            {(streamId is null ? "ORDER BY e.seq_id" : "WHERE e.stream_id = $1 ORDER BY e.version")}
            """, streamId is { } id ? [id] : []);
        // All of history takes its time; the next line is what is waited for, not the last.
        command.CommandTimeout = 0;
        await using var rows = await command.ExecuteReaderAsync(cancel);
        await using var writer = new Utf8JsonWriter(to, new JsonWriterOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
        var count = 0L;
        for (; await rows.ReadAsync(cancel); count++)
        {
            var e = RecordedEvent.From(rows);
            writer.WriteStartObject();
            writer.WriteNumber("seq", e.Seq);
            writer.WriteString("event_id", e.EventId);
            writer.WriteString("stream_id", e.StreamId);
            writer.WriteNumber("version", e.Version);
            writer.WriteString("type", e.Type);
            writer.WriteString("timestamp", e.Timestamp);
            writer.WritePropertyName("data");
            writer.WriteRawValue(e.Data);
            writer.WritePropertyName("headers");
            writer.WriteRawValue(e.Headers);
            writer.WriteEndObject();
            await writer.FlushAsync(cancel);
            await to.WriteAsync("\n"u8.ToArray(), cancel);
            writer.Reset();
        }
        return count;
    }

    /// <summary>Hands out the streams in loads of about <see cref="Load"/> facts; then the memories that have no stream.</summary>
    async Task ListAsync(Since since, ChannelWriter<Guid[]> loads, CancellationToken cancel)
    {
        try
        {
            await using var db = await options.DataSource.OpenConnectionAsync(cancel);
            var orphans = string.Concat(_kinds.Values.Where(k => k.Document is not null).Select(k => $" UNION ALL SELECT d.id, 0 FROM {options.Schema}.{k.Document} d WHERE NOT EXISTS (SELECT FROM {options.Schema}.mt_streams s WHERE s.id = d.id)"));
            await using var command = since switch
            {
                { Seq: { } seq } => db.Command($"SELECT e.stream_id, count(*) FROM {options.Schema}.mt_events e WHERE e.stream_id IN (SELECT stream_id FROM {options.Schema}.mt_events WHERE seq_id >= $1) GROUP BY e.stream_id", seq),
                { Time: { } time } => db.Command($"SELECT e.stream_id, count(*) FROM {options.Schema}.mt_events e WHERE e.stream_id IN (SELECT stream_id FROM {options.Schema}.mt_events WHERE timestamp >= $1) GROUP BY e.stream_id", time.ToUniversalTime()),
                _ => db.Command($"SELECT s.id, s.version FROM {options.Schema}.mt_streams s{orphans}"),
            };
            command.CommandTimeout = 0;
            await using var rows = await command.ExecuteReaderAsync(cancel);
            var load = new List<Guid>();
            var facts = 0L;
            while (await rows.ReadAsync(cancel))
            {
                load.Add(rows.GetGuid(0));
                if ((facts += rows.GetInt64(1) + 1) < Load) continue;
                await loads.WriteAsync([.. load], cancel);
                load.Clear();
                facts = 0;
            }
            if (load.Count > 0) await loads.WriteAsync([.. load], cancel);
        }
        finally
        {
            loads.Complete();
        }
    }

    async Task<long> CheckAsync(Guid[] ids, Action<Finding> found, CancellationToken cancel)
    {
        await using var db = await options.DataSource.OpenConnectionAsync(cancel);
        // One snapshot: a stream that grows meanwhile is seen whole, with the memory it had.
        await using var tx = await db.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead, cancel);
        var checks = await ClaimsAsync(db, ids, found, cancel);
        await using var command = db.Command($"SELECT {RecordedEvent.Columns}, {Odd("e", ("bdata", "IS NOT NULL"))}, e.mt_dotnet_type FROM {options.Schema}.mt_events e WHERE e.stream_id = ANY ($1) ORDER BY e.stream_id, e.version", ids);
        await using var rows = await command.ExecuteReaderAsync(cancel);
        var events = 0L;
        for (; await rows.ReadAsync(cancel); events++)
        {
            var e = RecordedEvent.From(rows);
            checks[e.StreamId].Take(e, rows.Text(8), rows.Text(9));
        }
        foreach (var check in checks.Values) check.End();
        return events;
    }

    async Task<Dictionary<Guid, StreamCheck>> ClaimsAsync(NpgsqlConnection db, Guid[] ids, Action<Finding> found, CancellationToken cancel)
    {
        var checks = new Dictionary<Guid, StreamCheck>(ids.Length);
        var documents = string.Join(" UNION ALL ", _kinds.Values.Where(k => k.Document is not null).Select(k => $"SELECT id, data FROM {options.Schema}.{k.Document} WHERE id = ANY ($1)").DefaultIfEmpty("SELECT NULL::uuid AS id, NULL::jsonb AS data WHERE false"));
        await using var command = db.Command($"SELECT i.id, s.id IS NOT NULL, s.type, coalesce(s.version, 0), d.data::text, {Odd("s")} FROM unnest($1) i (id) LEFT JOIN {options.Schema}.mt_streams s ON s.id = i.id LEFT JOIN ({documents}) d ON d.id = i.id", ids);
        await using var rows = await command.ExecuteReaderAsync(cancel);
        while (await rows.ReadAsync(cancel))
        {
            var claimed = new Claimed(rows.GetGuid(0), rows.GetBoolean(1), rows.Text(2), rows.GetInt64(3), rows.Text(4), rows.Text(5));
            checks[claimed.Id] = new StreamCheck(claimed, claimed.Type is { } type ? _kinds.GetValueOrDefault(type) : null, options.Vocabulary, found);
        }
        return checks;
    }

    /// <summary>Those columns of a row that should have one value and have another, or NULL. No hash covers them, and Marten shows or hides the row by them.</summary>
    static string Odd(string row, params (string Column, string Wrong)[] besides)
    {
        (string Column, string Wrong)[] all = [("tenant_id", "IS DISTINCT FROM '*DEFAULT*'"), ("is_archived", "IS DISTINCT FROM FALSE"), .. besides];
        return $"nullif(concat_ws(' and ', {string.Join(", ", all.Select(c => $"CASE WHEN {row}.{c.Column} {c.Wrong} THEN '{c.Column}' END"))}), '')";
    }

    async Task<StreamKind?> KindAsync(NpgsqlConnection db, Guid streamId, CancellationToken cancel)
    {
        return await db.ScalarAsync($"SELECT type FROM {options.Schema}.mt_streams WHERE id = $1", cancel, streamId) is string type ? _kinds.GetValueOrDefault(type) : null;
    }
}
