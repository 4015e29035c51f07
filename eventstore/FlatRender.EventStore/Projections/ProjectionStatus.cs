namespace FlatRender.EventStore;

/// <summary>How a projection stands.</summary>
/// <param name="State">running, stopped (see <paramref name="Poison"/>), or outdated (its tables are of another revision: a rebuild is on its way).</param>
/// <param name="Position">The last event it has taken in, by number in the store.</param>
/// <param name="Behind">Numbers between its position and the newest event.</param>
/// <param name="Skipped">Events of unknown types it passed over.</param>
/// <param name="Rebuild">Null, requested, building or failed.</param>
/// <param name="RebuildPosition">How far the rebuild has come.</param>
/// <param name="RebuildError">Why the last rebuild failed.</param>
public sealed record ProjectionStatus(
    string Name, string State, long Position, long Behind, long Skipped, Poison? Poison, string? Rebuild, long? RebuildPosition, string? RebuildError, int Revision, DateTimeOffset ChangedAt);

/// <summary>The event a projection could not take in.</summary>
public sealed record Poison(long Seq, Guid EventId, Guid StreamId, long Version, string Type, string Error)
{
    public static Poison Of(RecordedEvent e, Exception error) => new(e.Seq, e.EventId, e.StreamId, e.Version, e.Type, $"{error.GetType().Name}: {error.Message}");

    public override string ToString() => $"event {Seq} ({Type}, version {Version} of {StreamId}): {Error}";
}

/// <summary>A projection cannot go on: an event of it cannot be taken in.</summary>
public sealed class ProjectionStoppedException(string name, Poison poison) : Exception($"Projection {name} stopped at {poison}")
{
    public Poison Poison => poison;
}
