namespace FlatRender.EventStore;

/// <summary>Something in the store that is not as it must be.</summary>
/// <param name="Code">hash_broken, version_missing, version_doubled, order_broken, path_illegal, fact_unreadable, row_changed, memory_differs, memory_missing, memory_orphaned, stream_differs.</param>
/// <param name="Version">The fact it is about; null: the stream as a whole.</param>
/// <param name="Detail">A sentence that says what is wrong.</param>
public sealed record Finding(string Code, Guid StreamId, long? Version, long? Seq, Guid? EventId, string? Type, string Detail)
{
    internal static Finding Of(string code, RecordedEvent e, string detail) => new(code, e.StreamId, e.Version, e.Seq, e.EventId, e.Type, detail);

    public override string ToString() => Version is null ? $"{Code}: stream {StreamId}: {Detail}" : $"{Code}: stream {StreamId}, version {Version} (event {EventId}, {Type}): {Detail}";
}

/// <summary>What an audit looked at and found.</summary>
/// <param name="Findings">At most <see cref="MaxFindings"/>; <paramref name="Found"/> counts all.</param>
public sealed record AuditReport(long Streams, long Events, long Found, IReadOnlyList<Finding> Findings, double Seconds)
{
    public const int MaxFindings = 1000;

    public bool IsSound => Found == 0;
}

/// <summary>From where on to look: streams that have a fact of at least this number or time. Both null: everything.</summary>
public sealed record Since(long? Seq, DateTimeOffset? Time)
{
    public static readonly Since Ever = new(null, null);

    /// <param name="text">A number in the store, or a time (ISO 8601); null or empty: everything.</param>
    /// <returns>Null: it is neither.</returns>
    public static Since? Parse(string? text) =>
        string.IsNullOrWhiteSpace(text) ? Ever
        : long.TryParse(text, System.Globalization.CultureInfo.InvariantCulture, out var seq) ? new(seq, null)
        : DateTimeOffset.TryParse(text, System.Globalization.CultureInfo.InvariantCulture, System.Globalization.DateTimeStyles.AssumeUniversal, out var time) ? new(null, time)
        : null;
}
