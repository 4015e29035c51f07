using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace FlatRender.Contracts;

// The socket /ws/v1/render/{job_id}?token=..., subprotocol flatrender.v1. What each message means, close codes and limits: websocket/render-progress.md.
// Members that may be null are written as null: every message of a type has the same members.

/// <summary>What the server tells.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "type")]
[JsonDerivedType(typeof(LiveHello), "hello")]
[JsonDerivedType(typeof(LiveAdvance), "progress")]
[JsonDerivedType(typeof(LiveStepChange), "step_change")]
[JsonDerivedType(typeof(LiveFrameRepair), "frame_repair")]
[JsonDerivedType(typeof(LiveNodeEvent), "node_event")]
[JsonDerivedType(typeof(LiveDone), "done")]
[JsonDerivedType(typeof(LiveFailed), "failed")]
[JsonDerivedType(typeof(LiveCancelled), "cancelled")]
[JsonDerivedType(typeof(LiveSnapshotUpdate), "snapshot_update")]
[JsonDerivedType(typeof(LiveError), "error")]
[JsonDerivedType(typeof(LivePing), "ping")]
public abstract record LiveMessage;

/// <summary>A message about the socket's render.</summary>
/// <param name="Seq">The version of the render's history that the message takes into account: the same number as in its timeline. On one socket it never goes back.</param>
public abstract record LiveAboutJob(JobId JobId, long Seq) : LiveMessage
{
    // On the wire first the render, then what the message is about, then the number.
    [JsonPropertyOrder(-1)]
    public JobId JobId { get; init; } = JobId;

    [JsonPropertyOrder(1)]
    public long Seq { get; init; } = Seq;
}

/// <summary>The first message: where the render stands.</summary>
public sealed record LiveHello(JobId JobId, LiveState CurrentState, long Seq) : LiveAboutJob(JobId, Seq);

/// <param name="Progress">Per cent.</param>
/// <param name="StartedAt">Null: no node has begun.</param>
public sealed record LiveState(
    string Step, int Progress, int CurrentFrame, int TotalFrames,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never), JsonConverter(typeof(UtcJson))] DateTimeOffset? StartedAt);

/// <summary>How far the render is. The latest replaces those not sent yet.</summary>
/// <param name="Progress">Per cent.</param>
/// <param name="EtaSeconds">Null until the render's own frame times tell.</param>
/// <param name="PreviewB64">The last frame as a data: URI of a small JPEG, or null.</param>
/// <param name="Message">What a person may want to know about this moment, or null.</param>
public sealed record LiveAdvance(
    JobId JobId, string Step, int Progress, int CurrentFrame, int TotalFrames,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] double? EtaSeconds,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? PreviewB64,
    int ActiveNodes,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? Message,
    long Seq) : LiveAboutJob(JobId, Seq);

/// <summary>The render went from one step to another.</summary>
public sealed record LiveStepChange(JobId JobId, string FromStep, string ToStep, [property: JsonConverter(typeof(UtcJson))] DateTimeOffset? At, long Seq) : LiveAboutJob(JobId, Seq);

/// <summary>These frames are made again.</summary>
public sealed record LiveFrameRepair(JobId JobId, IReadOnlyList<int> MissingFrames, IReadOnlyList<int> CorruptFrames, int Attempt, int MaxAttempts, long Seq) : LiveAboutJob(JobId, Seq);

/// <summary>Something happened to a node that works on the render.</summary>
/// <param name="Event">node_crashed, node_lost ...</param>
/// <param name="AutoRecovered">The work goes on without anyone's doing.</param>
public sealed record LiveNodeEvent(JobId JobId, string Event, NodeId NodeId, bool AutoRecovered, string Message, long Seq) : LiveAboutJob(JobId, Seq);

/// <summary>The film is there. Last message before the close.</summary>
/// <param name="OutputUrl">The film; where it begins with a slash, on the API's own host.</param>
public sealed record LiveDone(JobId JobId, Guid ExportId, string OutputUrl, string ThumbnailUrl, double DurationSec, long SizeBytes, double ComputeSeconds, long Seq) : LiveAboutJob(JobId, Seq);

/// <summary>There will be no film. Last message before the close.</summary>
public sealed record LiveFailed(JobId JobId, string FailedAtStep, string ErrorMessage, string ErrorCode, bool RefundIssued, Guid TraceId, long Seq) : LiveAboutJob(JobId, Seq);

/// <summary>The render was cancelled. Last message before the close.</summary>
/// <param name="ProgressWhenCancelled">Per cent.</param>
public sealed record LiveCancelled(JobId JobId, [property: JsonConverter(typeof(UtcJson))] DateTimeOffset? CancelledAt, int ProgressWhenCancelled, long Seq) : LiveAboutJob(JobId, Seq);

/// <summary>A snapshot the client subscribed to, or a newer one of its project.</summary>
/// <param name="Snapshot">As in <c>GET /v1/snapshots/{id}</c>; without <c>inputs</c> where they have more than 64 KiB.</param>
public sealed record LiveSnapshotUpdate(Guid SnapshotId, JsonElement Snapshot) : LiveMessage;

/// <summary>Something about the client's last messages; the socket stays open.</summary>
/// <param name="Code">RATE_LIMIT, FORBIDDEN, NOT_CANCELLABLE, NOT_FOUND, TOO_MANY, UNAVAILABLE.</param>
public sealed record LiveError(string Code, string Message) : LiveMessage;

/// <param name="T">Unix seconds.</param>
public sealed record LivePing(long T) : LiveMessage;

/// <summary>What a client says.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "type", UnknownDerivedTypeHandling = JsonUnknownDerivedTypeHandling.FailSerialization)]
[JsonDerivedType(typeof(LivePong), "pong")]
[JsonDerivedType(typeof(LiveSubscribeSnapshot), "subscribe_snapshot")]
[JsonDerivedType(typeof(LiveCancelJob), "cancel_job")]
public abstract record LiveCall;

/// <param name="T">The ping's.</param>
public sealed record LivePong(long? T) : LiveCall;

public sealed record LiveSubscribeSnapshot(Guid? SnapshotId) : LiveCall;

public sealed record LiveCancelJob(JobId? JobId) : LiveCall;

/// <summary>The close codes of the live sockets.</summary>
public static class LiveClose
{
    public const int Normal = 1000, GoingAway = 1001, BadMessage = 1008, Unauthorized = 4401, Forbidden = 4403, NotFound = 4404, RateLimited = 4429;
}

/// <summary>A moment as the live sockets write it: in UTC, with a Z.</summary>
public sealed class UtcJson : JsonConverter<DateTimeOffset?>
{
    public override bool HandleNull => true;

    public override DateTimeOffset? Read(ref Utf8JsonReader reader, Type type, JsonSerializerOptions options) =>
        reader.TokenType == JsonTokenType.Null ? null : reader.GetDateTimeOffset();

    public override void Write(Utf8JsonWriter writer, DateTimeOffset? moment, JsonSerializerOptions options)
    {
        if (moment is { } at) writer.WriteStringValue(at.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss.FFFFFFZ", CultureInfo.InvariantCulture));
        else writer.WriteNullValue();
    }
}
