using System.Text.Json;
using System.Text.RegularExpressions;
using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.Foundation;
using Npgsql;

namespace FlatRender.Support;

/// <summary>A fact that was looked for.</summary>
public sealed record FoundFact(long Seq, Guid EventId, Guid StreamId, long Version, string Type, DateTimeOffset At, string Actor, string Reason);

/// <summary>Every fact, to be found by words of its type, reason or actor, and by every id in it.</summary>
public sealed partial class AuditSearch(NpgsqlDataSource database) : IProjection
{
    public string Name => "audit_search";
    public string Schema => "support";

    // Facts of newer builds have reasons and ids too; but what they mean is for that build to say.
    public bool SkipsUnknown => true;

    public Task CreateAsync(NpgsqlConnection db, string schema, CancellationToken cancel) => db.RunAsync($"""
        CREATE TABLE {schema}.audit_search (
            seq bigint PRIMARY KEY,
            event_id uuid NOT NULL,
            stream_id uuid NOT NULL,
            version bigint NOT NULL,
            type text NOT NULL,
            at timestamptz NOT NULL,
            actor text NOT NULL,
            reason text NOT NULL,
            words tsvector NOT NULL
        );
        CREATE INDEX audit_search_words ON {schema}.audit_search USING gin (words);
        """, cancel);

    public Task ApplyAsync(NpgsqlConnection db, string schema, IReadOnlyList<RecordedEvent> batch, CancellationToken cancel)
    {
        var facts = batch.Select(e => (Event: e, Told: Told.Of(e))).ToArray();
        return db.RunAsync($"""
            INSERT INTO {schema}.audit_search (seq, event_id, stream_id, version, type, at, actor, reason, words)
            SELECT f.seq, f.event_id, f.stream_id, f.version, f.type, f.at, f.actor, f.reason,
                   to_tsvector('simple', translate(f.type, '._', '  ') || ' ' || f.actor || ' ' || f.reason) || array_to_tsvector(string_to_array(f.ids, ' '))
            FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9) AS f (seq, event_id, stream_id, version, type, at, actor, reason, ids)
            ORDER BY f.seq
            """, cancel,
            Each(f => f.Event.Seq), Each(f => f.Event.EventId), Each(f => f.Event.StreamId), Each(f => f.Event.Version), Each(f => f.Event.Type), Each(f => f.Event.Timestamp),
            Each(f => f.Told.Actor), Each(f => f.Told.Reason), Each(f => f.Told.Ids));

        T[] Each<T>(Func<(RecordedEvent Event, Told Told), T> of) => Array.ConvertAll(facts, f => of(f));
    }

    /// <summary>Facts that have all the words, or all the ids; the newest first.</summary>
    public Task<Page<FoundFact>> FindAsync(string query, int page, int size, CancellationToken cancel)
    {
        // Ids and whole type names are single words; PostgreSQL's parser would take them apart.
        var terms = query.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        string[] whole = [.. terms.Where(IsWhole).Select(t => t.ToLowerInvariant())];
        var words = string.Join(' ', terms.Where(t => !IsWhole(t)).Select(t => t.Replace('_', ' ')));
        const string matching = "FROM support.audit_search WHERE ($1 = '' OR words @@ websearch_to_tsquery('simple', $1)) AND (cardinality($2) = 0 OR words @@ (SELECT string_agg(quote_literal(w), ' & ')::tsquery FROM unnest($2) w))";
        return database.PageAsync("seq, event_id, stream_id, version, type, at, actor, reason", matching, "seq DESC",
            row => new FoundFact(row.GetInt64(0), row.GetGuid(1), row.GetGuid(2), row.GetInt64(3), row.GetString(4), row.GetFieldValue<DateTimeOffset>(5), row.GetString(6), row.GetString(7)),
            page, size, cancel, words, whole);
    }

    static bool IsWhole(string term) => Guid.TryParse(term, out _) || TypeName().IsMatch(term);

    [GeneratedRegex(@"^[a-z_]+(\.[a-z_0-9]+)+$", RegexOptions.IgnoreCase)]
    private static partial Regex TypeName();

    /// <summary>What of a fact can be looked for.</summary>
    readonly record struct Told(string Actor, string Reason, string Ids)
    {
        public static Told Of(RecordedEvent e)
        {
            using var data = JsonDocument.Parse(e.Data);
            var ids = new SortedSet<string>(StringComparer.Ordinal) { e.Type, e.StreamId.ToString(), e.EventId.ToString() };
            foreach (var member in data.RootElement.EnumerateObject())
                if (member.Value.ValueKind == JsonValueKind.String && member.Value.TryGetGuid(out var id)) ids.Add(id.ToString());
            // The fact itself may name who did it ("by"); else the headers do.
            return new(Member(data, "by") ?? e.Header("actor") ?? "", Member(data, "reason") ?? "", string.Join(' ', ids));
        }

        // PostgreSQL's text cannot hold a NUL, its search no word of more than 2 KB: neither is worth a stop.
        static string? Member(JsonDocument data, string name) =>
            data.RootElement.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() is { Length: > 1000 } text ? text[..1000] : value.GetString() : null;
    }
}
