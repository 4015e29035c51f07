using System.Diagnostics.Metrics;

namespace FlatRender.EventStore;

/// <summary>What the store did, counted: for metrics, and for the tests that promise round trips.</summary>
public sealed class Tally
{
    static readonly Meter Meter = new("FlatRender.EventStore");
    static readonly Counter<long> UnitCount = Meter.CreateCounter<long>("flatrender_store_units", description: "Units of work handed in for commit.");
    static readonly Counter<long> BatchCount = Meter.CreateCounter<long>("flatrender_store_batches", description: "Appends sent to the database.");
    static readonly Counter<long> ReadCount = Meter.CreateCounter<long>("flatrender_store_reads", description: "Memories or versions read because the cache had none or was doubted.");
    static readonly Counter<long> ConflictCount = Meter.CreateCounter<long>("flatrender_store_conflicts", description: "Units refused because their stream had moved on.");
    static readonly Counter<long> RelayedCount = Meter.CreateCounter<long>("flatrender_relay_facts", description: "Facts handed to the broker and confirmed, by type.");
    static readonly Counter<long> SentCount = Meter.CreateCounter<long>("flatrender_agenda_sent", description: "Asks and reminders handed to the broker and confirmed.");
    static readonly Counter<long> UnknownCount = Meter.CreateCounter<long>("flatrender_unknown_words", description: "Stored names that this build does not know.");

    long _units, _batches, _reads, _conflicts, _relayed, _sent, _unknown;

    public long Units => Volatile.Read(ref _units);
    public long Batches => Volatile.Read(ref _batches);
    public long Reads => Volatile.Read(ref _reads);
    public long Conflicts => Volatile.Read(ref _conflicts);
    public long Relayed => Volatile.Read(ref _relayed);
    public long Sent => Volatile.Read(ref _sent);
    public long Unknown => Volatile.Read(ref _unknown);

    internal void Batch(int units)
    {
        Add(ref _batches, BatchCount, 1);
        Add(ref _units, UnitCount, units);
    }

    internal void Read() => Add(ref _reads, ReadCount, 1);
    internal void Conflict() => Add(ref _conflicts, ConflictCount, 1);
    internal void Relay(IReadOnlyList<RecordedEvent> facts)
    {
        Interlocked.Add(ref _relayed, facts.Count);
        foreach (var (type, count) in facts.CountBy(f => f.Type)) RelayedCount.Add(count, new KeyValuePair<string, object?>("type", type));
    }

    internal void Send(int messages) => Add(ref _sent, SentCount, messages);
    internal void UnknownWord() => Add(ref _unknown, UnknownCount, 1);

    static void Add(ref long count, Counter<long> counter, long by)
    {
        Interlocked.Add(ref count, by);
        counter.Add(by);
    }
}
