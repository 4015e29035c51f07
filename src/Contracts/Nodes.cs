using System.Text.Json.Serialization;

namespace FlatRender.Contracts;

// The orchestrator (render service) calls the agent, signed with the shared secret:
//   POST   /v1/tasks                   NodeTask      -> 202 | 409 no free slot, or unfit | 410 draining | 400
//   DELETE /v1/tasks/{lease_id}                      -> 204 | 404
//   GET    /v1/status                                -> NodeStatus
//   POST   /v1/drain                                 -> 202
//   GET    /v1/capabilities                          -> NodeRegistration
//   GET    /v1/health                                -> 200, unsigned
// The agent calls home with its node token:
//   POST /v1/nodes                     NodeRegistration -> NodeWelcome
//   POST /v1/nodes/{id}/heartbeat      NodeHeartbeat    -> NodeOrders | 404 register again
//   POST /v1/nodes/{id}/progress       NodeProgress     -> NodeOrders
//   POST /v1/nodes/{id}/results        NodeResult       -> 204 | 409 lease is not yours any more
//   POST /v1/nodes/{id}/leave                           -> 204
//   GET  /v1/files/{digest}, PUT /v1/files/{digest}     the blobs tasks name, by SHA-256

/// <summary>What a node is, told when it joins.</summary>
/// <param name="Url">Where the orchestrator reaches it.</param>
/// <param name="Engines">Engine name -> digest of what draws: equal digests draw equal pixels.</param>
public sealed record NodeRegistration(NodeId NodeId, string Name, string Url, int Slots, IReadOnlyList<string> Tags, IReadOnlyDictionary<string, string> Engines, string Version);

public sealed record NodeWelcome(double HeartbeatSeconds);

/// <param name="Unfit">Why the node can take nothing new now (its disk is full), as a person would say it; null: it can. What it works on goes on.</param>
public sealed record NodeHeartbeat(IReadOnlyList<TaskProgress> Tasks, long MemoryBytes, string? Unfit = null);

/// <param name="Done">Frames done of this task.</param>
public sealed record TaskProgress(LeaseId LeaseId, int Epoch, int Done);

/// <param name="Abort">Leases that the node must drop now.</param>
/// <param name="Drain">It is to finish what it has, take nothing new, and leave.</param>
public sealed record NodeOrders(IReadOnlyList<LeaseId> Abort, bool Drain = false);

/// <param name="Preview">A small JPEG of the last frame as a data: URI, at most every two seconds.</param>
public sealed record NodeProgress(LeaseId LeaseId, int Epoch, int Done, double FramesPerSecond, string? Preview);

/// <param name="Refused">Calls at its door that were refused, by code, since it began.</param>
public sealed record NodeStatus(NodeId NodeId, string State, int Slots, int Busy, IReadOnlyList<TaskProgress> Tasks, IReadOnlyDictionary<string, long>? Refused = null);

/// <summary>One piece of work, leased to one node. The epoch grows each time the same piece is leased again: a result of an older epoch is refused.</summary>
/// <param name="DeadlineSeconds">After this the agent gives up and kills the engine.</param>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "kind")]
[JsonDerivedType(typeof(RenderTask), "render")]
[JsonDerivedType(typeof(ValidateTask), "validate")]
[JsonDerivedType(typeof(AssembleTask), "assemble")]
public abstract record NodeTask(LeaseId LeaseId, int Epoch, JobId JobId, FilmSpec Film, string TemplateDigest, double DeadlineSeconds)
{
    /// <summary>W3C traceparent of the render, where it is traced: what the node does and reports belongs to it.</summary>
    public string? Trace { get; init; }
}

/// <summary>Draw frames First .. First+Count-1 of the film and encode them as one closed-GOP segment.</summary>
public sealed record RenderTask(LeaseId LeaseId, int Epoch, JobId JobId, FilmSpec Film, string TemplateDigest, double DeadlineSeconds, string Engine, int First, int Count)
    : NodeTask(LeaseId, Epoch, JobId, Film, TemplateDigest, DeadlineSeconds);

/// <summary>Check a segment's files against their digests, draw the sampled frames again (and those that look suspicious) and compare them by checksum; where asked for, decode it and compare every frame with its manifest.</summary>
/// <param name="Decode">The finished film is decoded in any case; a segment before it only where finding damage late would cost more.</param>
public sealed record ValidateTask(LeaseId LeaseId, int Epoch, JobId JobId, FilmSpec Film, string TemplateDigest, double DeadlineSeconds, string Engine, SegmentFiles Segment, IReadOnlyList<int> SampleFrames, bool Decode = true)
    : NodeTask(LeaseId, Epoch, JobId, Film, TemplateDigest, DeadlineSeconds);

/// <summary>Join the segments without encoding, check the whole film frame by frame against the manifests, make the thumbnail.</summary>
/// <param name="ThumbnailFrame">The film frame shown as the thumbnail.</param>
public sealed record AssembleTask(LeaseId LeaseId, int Epoch, JobId JobId, FilmSpec Film, string TemplateDigest, double DeadlineSeconds, IReadOnlyList<SegmentFiles> Segments, int ThumbnailFrame)
    : NodeTask(LeaseId, Epoch, JobId, Film, TemplateDigest, DeadlineSeconds);

/// <summary>A rendered piece of film: an mp4 of <paramref name="Count"/> frames and what its renderer drew, both by digest.</summary>
public sealed record SegmentFiles(int First, int Count, string SegmentDigest, string ManifestDigest);

/// <summary>What the renderer drew, frame by frame.</summary>
/// <param name="EngineDigest">Equal digests on equal hardware draw equal pixels.</param>
public sealed record SegmentManifest(JobId JobId, int First, int Count, int Width, int Height, string SegmentDigest, string TemplateDigest, string EngineDigest, string Architecture, IReadOnlyList<FrameMark> Frames);

/// <param name="Index">Film frame number.</param>
/// <param name="Crc32C">Of the raw RGBA pixels, 8 hex digits.</param>
/// <param name="Signature">16×16 mean luma values of the picture as encoded, base64 of 256 bytes.</param>
public sealed record FrameMark(int Index, string Crc32C, string Signature);

/// <summary>How a task ended.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "outcome")]
[JsonDerivedType(typeof(TaskRendered), "rendered")]
[JsonDerivedType(typeof(TaskValidated), "validated")]
[JsonDerivedType(typeof(TaskAssembled), "assembled")]
[JsonDerivedType(typeof(TaskFailed), "failed")]
public abstract record NodeResult(LeaseId LeaseId, int Epoch, TaskTimes Times);

public sealed record TaskRendered(LeaseId LeaseId, int Epoch, TaskTimes Times, SegmentFiles Segment, string EngineDigest) : NodeResult(LeaseId, Epoch, Times);

/// <summary>Frames found missing or corrupt; both empty when all is well. Warnings (blank or repeated frames) reject nothing.</summary>
public sealed record TaskValidated(LeaseId LeaseId, int Epoch, TaskTimes Times, IReadOnlyList<int> MissingFrames, IReadOnlyList<int> CorruptFrames, string Reason, IReadOnlyList<string> Warnings)
    : NodeResult(LeaseId, Epoch, Times);

/// <summary>The film, or the frames that spoil it (then <paramref name="Film"/> is null).</summary>
public sealed record TaskAssembled(LeaseId LeaseId, int Epoch, TaskTimes Times, FilmFile? Film, IReadOnlyList<int> MissingFrames, IReadOnlyList<int> CorruptFrames, string Reason)
    : NodeResult(LeaseId, Epoch, Times);

/// <summary>The task could not be done.</summary>
/// <param name="Code">ENGINE_CRASHED, ENGINE_HUNG, TEMPLATE_INVALID, ENCODER_FAILED, NODE_FAULT, ABORTED.</param>
public sealed record TaskFailed(LeaseId LeaseId, int Epoch, TaskTimes Times, string Code, string Reason) : NodeResult(LeaseId, Epoch, Times);

/// <summary>Seconds of wall clock a task spent: fetching, starting its engine, drawing, encoding, checking, storing; and of processor time in all.</summary>
public sealed record TaskTimes(double Fetch, double Start, double Draw, double Encode, double Check, double Store, double Cpu);

/// <summary>Where the signature of an orchestrator's call travels.</summary>
public static class NodeHeaders
{
    /// <summary>HMAC-SHA256, lower-case hex, over "METHOD\npath?query\nsha256(body) hex\ntimestamp\nnonce".</summary>
    public const string Signature = "X-Orchestrator-Signature";
    /// <summary>Unix seconds; five minutes either way are accepted.</summary>
    public const string Timestamp = "X-Orchestrator-Timestamp";
    /// <summary>Any text of 16 to 64 characters, used once.</summary>
    public const string Nonce = "X-Orchestrator-Nonce";
}
