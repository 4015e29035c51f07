using System.Collections.Concurrent;
using System.Diagnostics.Metrics;

namespace FlatRender.NodeAgent;

/// <summary>What an agent counts.</summary>
static class AgentMeters
{
    public static readonly Meter Meter = new("FlatRender.NodeAgent");
    static readonly Counter<long> EndedTasks = Meter.CreateCounter<long>("flatrender.node.tasks.ended", description: "Tasks by outcome.");

    public static void Ended(string outcome) => EndedTasks.Add(1, new KeyValuePair<string, object?>("outcome", outcome));
}

/// <summary>Calls at an agent's door that were refused, by code.</summary>
sealed class Refusals
{
    static readonly Counter<long> RefusedCalls = AgentMeters.Meter.CreateCounter<long>("flatrender.node.calls.refused", description: "Calls at the door that were refused, by reason.");
    readonly ConcurrentDictionary<string, long> _counted = new();

    public IReadOnlyDictionary<string, long> Counted => new SortedDictionary<string, long>(_counted, StringComparer.Ordinal);

    public void Count(string code)
    {
        _counted.AddOrUpdate(code, 1, (_, n) => n + 1);
        RefusedCalls.Add(1, new KeyValuePair<string, object?>("code", code));
    }
}
