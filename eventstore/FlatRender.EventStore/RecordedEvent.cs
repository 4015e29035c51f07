using System.Text.Json;
using FlatRender.Contracts;

namespace FlatRender.EventStore;

/// <summary>A fact as it is stored.</summary>
/// <param name="Seq">Its number in the whole store. Numbers of rolled-back facts are never given again.</param>
/// <param name="Version">Its number in its stream, from 1.</param>
/// <param name="Type">Its wire name.</param>
/// <param name="Data">The fact as JSON text, as PostgreSQL prints it.</param>
/// <param name="Headers">Who, why and from where, as JSON text: actor, trace, message_id, hash.</param>
public sealed record RecordedEvent(long Seq, Guid EventId, Guid StreamId, long Version, string Type, string Data, DateTimeOffset Timestamp, string Headers)
{
    internal const string Columns = "e.seq_id, e.id, e.stream_id, e.version, e.type, e.data::text, e.timestamp, coalesce(e.headers, '{}')::text";

    internal static RecordedEvent From(Npgsql.NpgsqlDataReader row, int at = 0) => new(
        row.GetInt64(at), row.GetGuid(at + 1), row.GetGuid(at + 2), row.GetInt64(at + 3), row.GetString(at + 4), row.GetString(at + 5),
        row.GetFieldValue<DateTimeOffset>(at + 6), row.GetString(at + 7));

    /// <summary>The fact itself.</summary>
    /// <exception cref="UnknownWordException">This build does not know the type.</exception>
    public object Fact(Vocabulary vocabulary) => vocabulary.Read(Type, Data);

    /// <summary>One header's text, or null.</summary>
    public string? Header(string name)
    {
        using var headers = JsonDocument.Parse(Headers);
        return headers.RootElement.ValueKind == JsonValueKind.Object && headers.RootElement.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
    }
}
