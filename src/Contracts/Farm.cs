namespace FlatRender.Contracts;

/// <summary>A message about one node.</summary>
public interface IAboutNode
{
    NodeId NodeId { get; }
}

/// <summary>A message about one piece of a render's work: a chunk to draw, a segment to check, the film to join.</summary>
public interface IAboutChunk : IAboutRender
{
    /// <summary>render, validate or assemble.</summary>
    string Kind { get; }
    int Chunk { get; }

    /// <summary>Which lease of this piece, counted up.</summary>
    int Epoch { get; }
}

// What happened to nodes, each on a stream of its own.

public sealed record NodeRegistered(NodeId NodeId, string Name, string Url, int Slots, IReadOnlyList<string> Tags, IReadOnlyDictionary<string, string> Engines, string Version, string Reason) : IAboutNode;
public sealed record NodeDraining(NodeId NodeId, string By, string Reason) : IAboutNode;
/// <param name="Leases">That it gave back unfinished.</param>
public sealed record NodeDrained(NodeId NodeId, int Leases, string Reason) : IAboutNode;
/// <param name="Leases">That go to others.</param>
public sealed record NodeLost(NodeId NodeId, DateTimeOffset LastSeen, int Leases, string Reason) : IAboutNode;
/// <summary>An engine of the node died or hung over a piece of work; the node itself goes on.</summary>
public sealed record NodeCrashed(NodeId NodeId, JobId JobId, string Kind, int Chunk, string Code, string Reason) : IAboutNode;
public sealed record NodeRecovered(NodeId NodeId, string By, string Reason) : IAboutNode;
/// <param name="Leases">That go to others.</param>
public sealed record NodeQuarantined(NodeId NodeId, string By, int Leases, string Reason) : IAboutNode;

// What happened to the pieces of a render, on a stream beside the render's own.

public sealed record ChunkLeased(JobId JobId, string Kind, int Chunk, int First, int Count, int Epoch, LeaseId LeaseId, NodeId NodeId) : IAboutChunk;
/// <param name="ComputeSeconds">Of processors, on that node.</param>
public sealed record ChunkCompleted(JobId JobId, string Kind, int Chunk, int Epoch, LeaseId LeaseId, NodeId NodeId, double ComputeSeconds) : IAboutChunk;
/// <summary>The piece must be done again: its node could not do it, or its frames are not what was drawn.</summary>
/// <param name="Epoch">Of the lease that brought it.</param>
/// <param name="NodeId">Who brought it.</param>
/// <param name="Code">As a failed task's, or FRAMES_BAD.</param>
/// <param name="Frames">The bad ones, by film frame number.</param>
public sealed record ChunkRejected(JobId JobId, string Kind, int Chunk, int Epoch, NodeId NodeId, string Code, IReadOnlyList<int> Frames, string Reason) : IAboutChunk;
/// <summary>The lease ended without a result: the piece goes to whoever is free.</summary>
public sealed record ChunkExpired(JobId JobId, string Kind, int Chunk, int Epoch, LeaseId LeaseId, NodeId NodeId, string Reason) : IAboutChunk;

/// <summary>Where the facts of the farm stand.</summary>
public static class FarmStreams
{
    public const string NodeType = "node", ChunksType = "render_chunks";

    /// <summary>The stream of a render's pieces: not the render's own, which stays as short for ten thousand chunks as for one.</summary>
    public static Guid Chunks(JobId job) => Ids.Derived(job.Value, "chunks");
}

// What people ask of the farm, over the bus.

/// <summary>Why does this render wait?</summary>
public sealed record ExplainWait(JobId JobId) : IAboutRender;

/// <summary>What a render waits for. Of a render that is not over, <paramref name="Reasons"/> is never empty.</summary>
/// <param name="Waiting">Pieces that wait for a node.</param>
/// <param name="UnderWay">Pieces that nodes work on.</param>
/// <param name="Done">Pieces that are done.</param>
public sealed record WaitExplained(JobId JobId, IReadOnlyList<WaitReason> Reasons, int Waiting, int UnderWay, int Done, IReadOnlyList<ChunkWait> Chunks);

/// <param name="Code">NOT_PLANNED, STOPPED, HELD, TENANT_LIMIT, TEMPLATE_LIMIT, NO_NODE, NO_NODE_WITH_TAG, NO_NODE_WITH_ENGINE, NO_FREE_SLOT, OTHER_NODE, BACKOFF, NEXT, UNDER_WAY, VALIDATION, ASSEMBLY or PIPELINE; OVER where it waits for nothing.</param>
/// <param name="Message">A sentence.</param>
/// <param name="Until">When that ends at the latest, where that is known.</param>
/// <param name="Pieces">How many pieces wait for this; 0: the whole render does.</param>
public sealed record WaitReason(string Code, string Message, DateTimeOffset? Until = null, int Pieces = 0);

/// <summary>One piece that is not done, and what it waits for; the first hundred of a render are told.</summary>
public sealed record ChunkWait(string Kind, int Chunk, int First, int Count, string Code, string Message, DateTimeOffset? Until = null);

/// <summary>How does the farm stand, right now?</summary>
public sealed record ShowFarm;

/// <param name="Refused">Calls at the nodes' door that were refused, by code, since this process began.</param>
public sealed record FarmView(IReadOnlyList<FarmNodeView> Nodes, IReadOnlyList<SlotLimit> Limits, int RendersWaiting, int PiecesWaiting, int PiecesUnderWay, IReadOnlyDictionary<string, long> Refused);

/// <param name="State">registered, ready, draining, quarantined, lost or left.</param>
/// <param name="Crashes">Of engines, in all.</param>
/// <param name="Reason">Of its state.</param>
/// <param name="Unfit">Why it can take nothing new now, though it is there; null: it can.</param>
public sealed record FarmNodeView(NodeId NodeId, string Name, string Url, string State, string Reason, int Slots, int Busy, IReadOnlyList<string> Tags, IReadOnlyList<string> Engines, string Version, DateTimeOffset LastSeen, long Crashes, IReadOnlyList<LeaseView> Leases, string? Unfit = null);

public sealed record LeaseView(JobId JobId, string Kind, int Chunk, int First, int Count, int Epoch, LeaseId LeaseId, DateTimeOffset Since, DateTimeOffset Until);

/// <summary>Slots that one tenant, or the renders of one template, may take at once.</summary>
/// <param name="Scope">tenant or template.</param>
/// <param name="Key">Its id; empty: each that has no limit of its own.</param>
/// <param name="Slots">0: none; null, where it is set: no limit any more.</param>
public sealed record SlotLimit(string Scope, string Key, int? Slots);

/// <param name="Key">Null or empty: each that has no limit of its own.</param>
/// <param name="Slots">Null: no limit any more.</param>
public sealed record NewLimit(string Scope, string? Key, int? Slots, string? Reason);

public sealed record SetLimit(SlotLimit Limit, string By, string Reason);
public sealed record DrainNode(NodeId NodeId, string By, string Reason) : IAboutNode;
public sealed record QuarantineNode(NodeId NodeId, string By, string Reason) : IAboutNode;
public sealed record ReleaseNode(NodeId NodeId, string By, string Reason) : IAboutNode;

/// <summary>The farm's answer to a verb. <paramref name="Refusal"/> is null where it was done, or was so already.</summary>
public sealed record FarmAnswer(string? Refusal);
