using FlatRender.Contracts;
using FlatRender.Foundation;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace FlatRender.Render;

/// <summary>Where node agents call home.</summary>
static class NodeDoor
{
    /// <summary>A call has at most this many bytes; files go another way.</summary>
    public const long MaxBody = 1 << 20;

    public static async Task<IResult> RegisterAsync(Body<NodeRegistration> body, NodeBook nodes, WorkBook work, ILogger<NodeBook> log, CancellationToken cancel)
    {
        var node = body.Value;
        if (node.Slots is < 1 or > 1024) return Refuse.Invalid("BAD_NODE", "A node has 1 to 1024 slots.");
        if (!Uri.TryCreate(node.Url, UriKind.Absolute, out var url) || url.Scheme is not ("http" or "https")) return Refuse.Invalid("BAD_NODE", "A node's url is an absolute http or https address.");
        if (node.Name.Length is 0 or > 200 || node.Tags.Count > 100 || node.Engines.Count > 20) return Refuse.Invalid("BAD_NODE", "A node has a name of up to 200 characters, up to 100 tags and up to 20 engines.");
        // An agent that registers has no work under way: whatever it held before is free again.
        await work.TakeBackAsync(node.NodeId, null, "its node registered again", cancel);
        await nodes.JoinAsync(node, cancel);
        log.LogInformation("Node {Node} ({Id}) joined with {Slots} slots", node.Name, node.NodeId, node.Slots);
        work.News.Raise();
        return Results.Json(new NodeWelcome(NodeBook.Heartbeat.TotalSeconds), Wire.Json);
    }

    public static async Task<IResult> HeartbeatAsync(NodeId id, Body<NodeHeartbeat> beat, NodeBook nodes, WorkBook work, CancellationToken cancel)
    {
        var (known, drain) = await nodes.SeenAsync(id, beat.Value.Unfit, cancel);
        if (!known) return Refuse.NotFound($"Node {id}");
        return Results.Json(new NodeOrders(await work.RenewAsync(id, beat.Value.Tasks, cancel), drain), Wire.Json);
    }

    public static async Task<IResult> ProgressAsync(NodeId id, Body<NodeProgress> body, WorkBook work, LiveBoard live, CancellationToken cancel)
    {
        var progress = body.Value;
        var dropped = await work.RenewAsync(id, [new(progress.LeaseId, progress.Epoch, progress.Done)], cancel);
        if (dropped.Count == 0)
        {
            await work.ShowAsync(progress.LeaseId, cancel);
            live.Progressed(progress);
        }

        return Results.Json(new NodeOrders(dropped), Wire.Json);
    }

    public static async Task<IResult> ResultAsync(NodeId id, Body<NodeResult> body, WorkBook work, Blobs blobs, CancellationToken cancel)
    {
        var result = body.Value;
        // A result is its files: one that names a file which never came, or is gone, is no result.
        var lost = FilesOf(result).FirstOrDefault(digest => !Blobs.IsDigest(digest) || !blobs.Exists(digest));
        if (lost is not null) result = new TaskFailed(result.LeaseId, result.Epoch, result.Times, "NODE_FAULT", $"The result names the file {lost}, which is not here.");
        if (await work.CompleteAsync(id, result, cancel))
        {
            FarmMeters.Took(result);
            return Results.NoContent();
        }

        return Refuse.Conflict("LEASE_LOST", $"Lease {result.LeaseId}, epoch {result.Epoch}, is not this node's any more; the result is not wanted.");
    }

    static IEnumerable<string> FilesOf(NodeResult result) => result switch
    {
        TaskRendered rendered => [rendered.Segment.SegmentDigest, rendered.Segment.ManifestDigest],
        TaskAssembled { Film: { } film } => [film.Digest, film.ThumbnailDigest],
        _ => [],
    };

    public static async Task<IResult> LeaveAsync(NodeId id, NodeBook nodes, WorkBook work)
    {
        // A node that goes does not wait long for the answer; taken back half way, its goodbye would leave it ready, and lost seconds later.
        await nodes.LeaveAsync(id, CancellationToken.None);
        await work.TakeBackAsync(id, null, "its node left", CancellationToken.None);
        return Results.NoContent();
    }
}
