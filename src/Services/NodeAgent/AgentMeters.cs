using System.Diagnostics.Metrics;

namespace FlatRender.NodeAgent;

/// <summary>What an agent counts.</summary>
static class AgentMeters
{
    static readonly Meter Meter = new("FlatRender.NodeAgent");
    static readonly Counter<long> RefusedCalls = Meter.CreateCounter<long>("flatrender.node.calls.refused", description: "Calls at the door that were not the orchestrator's, by reason.");
    static readonly Counter<long> EndedTasks = Meter.CreateCounter<long>("flatrender.node.tasks.ended", description: "Tasks by outcome.");

    public static void Refused(string code) => RefusedCalls.Add(1, new KeyValuePair<string, object?>("code", code));

    public static void Ended(string outcome) => EndedTasks.Add(1, new KeyValuePair<string, object?>("outcome", outcome));
}
