using FlatRender.Contracts;
using FlatRender.Foundation;

namespace FlatRender.Gateway.Sockets;

/// <summary>What a client may ask over its socket. A null caller or render is that of a socket which is being sent away.</summary>
sealed class LiveCalls(Watcher watcher, LiveJob? job, Caller? caller, LiveProgress live, Verbs verbs)
{
    public async ValueTask HearAsync(LiveCall call)
    {
        if (job?.Fold is not { } fold || caller is null || fold.Tenant != caller.TenantId) return;
        switch (call)
        {
            case LiveCancelJob { JobId: { } id } when id != job.Id:
                watcher.Tell(new LiveError("FORBIDDEN", "This socket is another render's."));
                break;
            case LiveCancelJob when !caller.May(Permission.RendersWrite):
                watcher.Tell(new LiveError("FORBIDDEN", "You may watch this render, not cancel it."));
                break;
            case LiveCancelJob when fold.IsTerminal:
                watcher.Outbox.TellLate(Beat.Json(new LiveError("NOT_CANCELLABLE", $"The render is {fold.Step} already.")));
                break;
            case LiveCancelJob:
                // What comes of it is told when it is a fact.
                var by = $"user {caller.UserId}";
                await verbs.SayAsync(new CancelRender(job.Id, by, "cancelled by its owner", fold.Percent(live.Latest(job.Id))), by, CancellationToken.None);
                break;
            case LiveSubscribeSnapshot { SnapshotId: { } id }:
                watcher.Tell(new LiveError("NOT_FOUND", $"Snapshot {id} does not exist."));
                break;
        }
    }
}
