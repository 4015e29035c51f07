using FlatRender.Contracts;
using FlatRender.Foundation;
using MassTransit;

namespace FlatRender.Gateway.Sockets;

/// <summary>What a client may ask over its socket. A null caller or render is that of a socket which is being sent away.</summary>
sealed class LiveCalls(Watcher watcher, Pace pace, LiveJob? job, Caller? caller, IServiceProvider services)
{
    HashSet<ProjectId>? _followed;

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
                var progress = fold.Percent(services.GetRequiredService<LiveProgress>().Latest(job.Id));
                await AskAsync(cancel => services.GetRequiredService<IBus>().Publish(new CancelRender(job.Id, $"user {caller.UserId}", "cancelled by its owner", progress), cancel));
                break;
            case LiveSubscribeSnapshot when !caller.May(Permission.ProjectsRead):
                watcher.Tell(new LiveError("FORBIDDEN", "You may not read projects."));
                break;
            case LiveSubscribeSnapshot when _followed?.Count >= pace.Limits.Projects:
                watcher.Tell(new LiveError("TOO_MANY", $"One socket follows the snapshots of {pace.Limits.Projects} projects and no more."));
                break;
            case LiveSubscribeSnapshot { SnapshotId: { } id }:
                await AskAsync(cancel => FollowAsync(caller.TenantId, new SnapshotId(id), cancel));
                break;
        }
    }

    async Task FollowAsync(TenantId tenant, SnapshotId id, CancellationToken cancel)
    {
        var snapshots = services.GetRequiredService<LiveSnapshots>();
        if (await snapshots.FollowAsync(watcher, tenant, id, cancel) is not { } project)
        {
            watcher.Tell(new LiveError("NOT_FOUND", $"Snapshot {id} does not exist."));
            return;
        }

        (_followed ??= []).Add(project);
        // What was taken since it was read.
        await snapshots.StirAsync(project, cancel);
    }

    /// <summary>Where the other side is away, the client is told so and may ask again.</summary>
    async Task AskAsync(Func<CancellationToken, Task> ask)
    {
        using var patience = new CancellationTokenSource(pace.Limits.Answer, pace.Clock);
        try
        {
            await ask(patience.Token);
        }
        catch (Exception e) when (Away.Is(e) || e is RequestException or OperationCanceledException)
        {
            watcher.Tell(new LiveError("UNAVAILABLE", "A part this needs is away for the moment. Ask again soon."));
        }
    }

    /// <summary>The socket is gone.</summary>
    public void Leave()
    {
        foreach (var project in _followed ?? []) services.GetRequiredService<LiveSnapshots>().Leave(watcher, project);
    }
}
