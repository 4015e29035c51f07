using System.Text.Json;
using FlatRender.Contracts;

namespace FlatRender.EventStore;

/// <summary>What one message changes, all or nothing: facts, memory, asks and reminders, guarded by the stream's expected version.</summary>
public sealed class UnitOfWork
{
    readonly Vocabulary _vocabulary;
    readonly FactHeaders _headers;
    StreamedSaga? _saga;
    string? _hash;

    internal UnitOfWork(Guid streamId, string streamType, Vocabulary vocabulary, FactHeaders headers, DateTimeOffset now)
    {
        StreamId = streamId;
        StreamType = streamType;
        _vocabulary = vocabulary;
        _headers = headers;
        // PostgreSQL keeps microseconds; what is hashed is what is stored.
        Now = new DateTimeOffset(now.UtcTicks / 10 * 10, TimeSpan.Zero);
    }

    public Guid StreamId { get; }
    internal string StreamType { get; }

    /// <summary>When the unit began, in whole microseconds.</summary>
    public DateTimeOffset Now { get; }

    internal long Expected { get; private set; }
    internal List<FactRow> Facts { get; } = [];
    internal List<AgendaRow> Agenda { get; } = [];
    internal string? MemoryJson => Facts.Count > 0 ? _saga?.MemoryJson : null;
    /// <summary>The id of the fact that made the memory: what Marten calls the document's version.</summary>
    internal Guid Mark => Facts.Count > 0 ? Facts[^1].EventId : Guid.Empty;

    internal bool IsEmpty => Facts.Count == 0 && Agenda.Count == 0;

    /// <summary>The unit stands on this version of the stream, whose last fact has this hash.</summary>
    internal void StandOn(long version, string? hash) => (Expected, _hash) = (version, hash);

    /// <summary>Appends a fact and applies it to the saga's memory.</summary>
    public void Record(StreamedSaga saga, object fact)
    {
        Append(fact);
        saga.Take(fact);
        _saga = saga;
    }

    /// <summary>Asks are due so much later than now: whoever commits the unit sends them itself before that.</summary>
    internal TimeSpan Grace { get; init; }

    /// <summary>A command, sent as soon as the unit has committed.</summary>
    public void Ask(object command) => Agenda.Add(Row("ask", Now + Grace, command));

    /// <summary>A message to be sent when it is due.</summary>
    public void Remind(DateTimeOffset due, object reminder) => Agenda.Add(Row("remind", due, reminder));

    internal void Append(object fact)
    {
        var row = new FactRow(Ids.New(), Expected + Facts.Count + 1, _vocabulary.NameOf(fact.GetType()), Json(fact), "");
        _hash = Chain.Hash(_hash, StreamId, row.Version, row.EventId, row.Type, Now, row.Data, _headers.Unsigned);
        Facts.Add(row with { Headers = _headers.SignedWith(_hash) });
    }

    /// <summary>Hash of the last fact.</summary>
    internal string? Hash => _hash;

    /// <summary>What the cache may remember once this unit has committed; null if no fact was recorded.</summary>
    internal Remembered? Outcome => _saga?.Remember(_hash);

    AgendaRow Row(string kind, DateTimeOffset due, object message) => new(kind, due, _vocabulary.NameOf(message.GetType()), Json(message), _headers.Unsigned, message, _headers);

    static string Json(object message) => JsonSerializer.Serialize(message, message.GetType(), Wire.Json);
}

sealed record FactRow(Guid EventId, long Version, string Type, string Data, string Headers);

sealed record AgendaRow(string Kind, DateTimeOffset Due, string Type, string Data, string Headers, object Message, FactHeaders From)
{
    /// <summary>The row's number once it is committed; 0 where the commit did not tell.</summary>
    public long Number { get; set; }
}
