using System.Text.Json;
using FlatRender.Contracts;
using JasperFx.Events;
using Marten;
using Marten.Exceptions;

namespace FlatRender.EventStore.Marten;

/// <summary>The same unit of work on Marten's session: facts, memory and agenda in one SaveChanges. One unit a transaction; slower than <see cref="GroupCommit"/>, equal in every row.</summary>
public sealed class MartenCommit(IDocumentStore store, EventStoreOptions options, Wake wake) : ICommit
{
    public async Task CommitAsync(UnitOfWork unit, CancellationToken cancel)
    {
        await using var session = store.LightweightSession();
        if (unit.Facts.Count > 0) Append(session, unit);
        if (unit.Outcome is { } outcome) session.StoreObjects([outcome.Memory]);
        foreach (var row in unit.Agenda)
            session.QueueSqlCommand($"INSERT INTO {options.Schema}.agenda (kind, stream_id, due, type, data, headers) VALUES (?, ?, ?, ?, ?::jsonb, ?::jsonb)", row.Kind, unit.StreamId, row.Due, row.Type, row.Data, row.Headers);
        try
        {
            await session.SaveChangesAsync(cancel);
        }
        catch (Exception e) when (e is EventStreamUnexpectedMaxEventIdException or ExistingStreamIdCollisionException or JasperFx.ConcurrencyException)
        {
            throw new ConcurrencyException(unit.StreamId, unit.Expected);
        }
        wake.Committed(facts: unit.Facts.Count > 0, agenda: unit.Agenda.Count > 0);
    }

    void Append(IDocumentSession session, UnitOfWork unit)
    {
        var events = unit.Facts.ConvertAll<object>(fact => Event(session, fact, unit.Now));
        if (unit.Expected > 0)
        {
            // Marten's expectation is the version after the append.
            session.Events.Append(unit.StreamId, unit.Expected + events.Count, events);
            return;
        }
        // The stream's type is what Marten calls an aggregate's alias: the memory's name in snake_case, as ours.
        if (unit.Outcome is { } outcome) session.Events.StartStream(outcome.Memory.GetType(), unit.StreamId, events);
        else session.Events.StartStream(unit.StreamId, events);
    }

    // Id, time and headers are the unit's: the chain of hashes covers them.
    IEvent Event(IDocumentSession session, FactRow fact, DateTimeOffset at)
    {
        var built = session.Events.BuildEvent(options.Vocabulary.Read(fact.Type, fact.Data));
        built.Id = fact.EventId;
        built.Timestamp = at;
        using var headers = JsonDocument.Parse(fact.Headers);
        foreach (var header in headers.RootElement.EnumerateObject()) built.SetHeader(header.Name, header.Value.GetString()!);
        return built;
    }
}
