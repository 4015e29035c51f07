using System.Text.RegularExpressions;
using Npgsql;

namespace FlatRender.EventStore;

/// <summary>
/// Tables made from history and from nothing else. They live in the schema of the service that reads them, which simply names them; a rebuild fills the
/// same tables in a schema beside it and then puts them in the place of the old ones.
/// </summary>
public interface IProjection
{
    /// <summary>Lower snake case: its row in <c>mt_event_progression</c>.</summary>
    string Name { get; }

    /// <summary>Where its tables live: the schema of its service. No two projections share a table's name there.</summary>
    string Schema { get; }

    /// <summary>Events of types this build does not know are skipped and counted; else they stop the projection.</summary>
    bool SkipsUnknown { get; }

    /// <summary>Raised when the tables or what they mean change: the projection is then rebuilt by itself at the next start.</summary>
    int Revision => 1;

    /// <summary>Makes the empty tables (tables and their indexes, nothing else) in <paramref name="schema"/>, which exists.</summary>
    Task CreateAsync(NpgsqlConnection db, string schema, CancellationToken cancel);

    /// <summary>
    /// Takes the events in, in order, within the open transaction that also moves the position. It reads no clock and no other schema: the same events make the same rows.
    /// What it throws stops the projection at the event that made it throw.
    /// </summary>
    Task ApplyAsync(NpgsqlConnection db, string schema, IReadOnlyList<RecordedEvent> batch, CancellationToken cancel);
}

/// <summary>How projections are called, and what follows from the name.</summary>
static partial class ProjectionNames
{
    public static string Checked(string name) =>
        Pattern().IsMatch(name) ? name : throw new ArgumentException($"'{name}' is no name for a projection: 1 to 40 lower-case letters, digits and underscores.", nameof(name));

    /// <summary>A rebuild's row in the progression.</summary>
    public static string Rebuild(string name) => name + "_rebuild";

    [GeneratedRegex("^[a-z][a-z0-9_]{0,39}$")]
    private static partial Regex Pattern();
}
