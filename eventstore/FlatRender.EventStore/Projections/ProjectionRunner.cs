using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace FlatRender.EventStore;

/// <summary>Keeps this process's projections up to date: for each, one process leads and the others stand by. Rebuilds run beside.</summary>
public sealed partial class ProjectionRunner(EventStoreOptions options, IEnumerable<IProjection> projections, Projections facade, Wake wake, TimeProvider clock, ILogger<ProjectionRunner> log) : BackgroundService
{
    static readonly TimeSpan AtGap = TimeSpan.FromMilliseconds(2);
    readonly ProjectionBook _book = new(options.Schema);
    readonly IProjection[] _projections = [.. projections];

    /// <summary>The tables are there before anything of this process reads them.</summary>
    public override async Task StartAsync(CancellationToken cancel)
    {
        await facade.CreateAsync(cancel);
        await base.StartAsync(cancel);
    }

    protected override Task ExecuteAsync(CancellationToken stopping) => Task.WhenAll(
        [.. _projections.Select(p => (Projection: p, Signal: wake.OnFacts())).Select(x => AgainAndAgainAsync(x.Projection.Name, () => LeadAsync(x.Projection, x.Signal, stopping), stopping)), AgainAndAgainAsync("rebuilds", () => WatchRebuildsAsync(stopping), stopping)]);

    async Task AgainAndAgainAsync(string what, Func<Task> work, CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                await work();
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                Interrupted(what, e);
                await Task.Delay(options.Poll, clock, CancellationToken.None);
            }
        }
    }

    async Task LeadAsync(IProjection projection, Signal signal, CancellationToken stopping)
    {
        while (true)
        {
            await using (var lead = await Leadership.TryTakeAsync(options, $"projection {projection.Name}", clock, stopping))
                if (lead is not null) await FollowAsync(projection, lead, signal, stopping);
            await Task.Delay(options.Poll, clock, stopping);
        }
    }

    async Task FollowAsync(IProjection projection, Leadership lead, Signal signal, CancellationToken stopping)
    {
        var step = new ProjectionStep(options, _book, projection, projection.Name, projection.Schema);
        while (true)
        {
            var status = (await _book.StatusAsync(lead.Connection, projection.Name, stopping)).Single();
            if (status.Revision > projection.Revision)
            {
                // Whoever knows these tables is to lead.
                Outgrown(projection.Name, status.Revision, projection.Revision);
                return;
            }
            if (status.Poison is not null || status.Revision < projection.Revision)
            {
                await Task.Delay(options.Poll, clock, stopping);
                continue;
            }
            await using var reader = await EventReader.OpenAsync(lead.Connection, options.Schema, projection.Name, cancel: stopping);
            Following(projection.Name, reader.Position);
            try
            {
                await FollowAsync(step, lead, reader, signal, projection.Name, stopping);
            }
            catch (ProjectionStoppedException e)
            {
                Stopped(e);
                await _book.StopAsync(lead.Connection, projection.Name, e.Poison, stopping);
            }
        }
    }

    async Task FollowAsync(ProjectionStep step, Leadership lead, EventReader reader, Signal signal, string name, CancellationToken stopping)
    {
        while (true)
        {
            var from = reader.Position;
            var events = await reader.NextAsync(stopping);
            if (events.Count == 0) await signal.WaitAsync(reader.AtGap ? AtGap : options.Poll, clock, stopping);
            // A rebuild has taken our place and moved the position: begin from there.
            else if (!await step.TakeAsync(lead.Connection, from, events, stopping)) return;
            else facade.Moved(name, reader.Position);
        }
    }

    async Task WatchRebuildsAsync(CancellationToken stopping)
    {
        while (true)
        {
            foreach (var status in await facade.StatusAsync(stopping))
                if (_projections.SingleOrDefault(p => p.Name == status.Name) is { } projection && Wanted(status, projection)) await RebuildAsync(projection, stopping);
            await Task.Delay(options.Poll, clock, stopping);
        }
    }

    // "building" is wanted too: where the lead is free, whoever built it is no more. A later version's tables are left to it: two versions side by side would take them from each other without end.
    static bool Wanted(ProjectionStatus status, IProjection projection) => status.Rebuild is "requested" or "building" || status.Revision < projection.Revision && status.Rebuild != "failed";

    async Task RebuildAsync(IProjection projection, CancellationToken stopping)
    {
        try
        {
            if (await facade.TryRebuildAsync(projection, status => Wanted(status, projection), stopping) is { } rebuilt) Rebuilt(projection.Name, rebuilt.Events, rebuilt.Took.TotalSeconds);
        }
        catch (Exception e) when (e is ProjectionStoppedException or Npgsql.PostgresException { IsTransient: false })
        {
            RebuildFailed(projection.Name, e);
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Projection {Name} follows from {Position} on.")]
    partial void Following(string name, long position);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Projection {Name} is at revision {Revision}, of a later version than this one ({Ours}): it is left to that. To go back for good: flatrender projections rebuild {Name}")]
    partial void Outgrown(string name, int revision, int ours);

    [LoggerMessage(Level = LogLevel.Error, Message = "A projection cannot go on. Mend what is wrong, then: flatrender projections resume NAME")]
    partial void Stopped(ProjectionStoppedException e);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Projection {Name} was interrupted and begins again where it last committed.")]
    partial void Interrupted(string name, Exception e);

    [LoggerMessage(Level = LogLevel.Information, Message = "Projection {Name} is rebuilt from {Events} events in {Seconds:F1} s and has taken its place.")]
    partial void Rebuilt(string name, long events, double seconds);

    [LoggerMessage(Level = LogLevel.Error, Message = "The rebuild of projection {Name} failed; the old tables stay.")]
    partial void RebuildFailed(string name, Exception e);
}
