using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace FlatRender.EventStore;

/// <summary>What may be asked of projections: how they stand, to be rebuilt, to go on, and to have got somewhere.</summary>
public sealed class Projections(EventStoreOptions options, IEnumerable<IProjection> projections, TimeProvider clock)
{
    /// <summary>How often to look for what another process has done.</summary>
    static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(50);

    readonly ConcurrentDictionary<string, Progress> _progress = new();
    readonly ProjectionBook _book = new(options.Schema);
    readonly Dictionary<string, IProjection> _projections = projections.ToDictionary(p => ProjectionNames.Checked(p.Name));

    /// <summary>Makes the tables of the projections that are new here.</summary>
    public async Task CreateAsync(CancellationToken cancel)
    {
        await using var db = await options.DataSource.OpenConnectionAsync(cancel);
        foreach (var projection in _projections.Values.OrderBy(p => p.Name, StringComparer.Ordinal))
        {
            await using var tx = await db.BeginTransactionAsync(cancel);
            if (!await _book.OpenAsync(db, projection.Name, projection.Revision, cancel)) continue;
            await db.RunAsync($"CREATE SCHEMA IF NOT EXISTS {projection.Schema}", cancel);
            await projection.CreateAsync(db, projection.Schema, cancel);
            await tx.CommitAsync(cancel);
        }
    }

    /// <summary>Every projection that has ever run on this store.</summary>
    public async Task<IReadOnlyList<ProjectionStatus>> StatusAsync(CancellationToken cancel)
    {
        await using var db = await options.DataSource.OpenConnectionAsync(cancel);
        return [.. (await _book.StatusAsync(db, null, cancel)).Select(s => s.Poison is null && _projections.TryGetValue(s.Name, out var mine) && mine.Revision != s.Revision ? s with { State = "outdated" } : s)];
    }

    /// <summary>Asks for a rebuild, which a process that has the projection then does beside the live one. False: there is no such projection.</summary>
    public async Task<bool> RequestRebuildAsync(string name, CancellationToken cancel)
    {
        await using var db = await options.DataSource.OpenConnectionAsync(cancel);
        return await _book.RebuildAsync(db, name, "requested", null, cancel);
    }

    /// <summary>Lets a stopped projection try again. False: there is no such projection.</summary>
    public async Task<bool> ResumeAsync(string name, CancellationToken cancel)
    {
        await using var db = await options.DataSource.OpenConnectionAsync(cancel);
        return await _book.ResumeAsync(db, name, cancel);
    }

    /// <summary>Rebuilds in this process, now, or when another process that does so has ended.</summary>
    /// <exception cref="ProjectionStoppedException">An event cannot be taken in; the live tables stay as they are.</exception>
    public async Task<Rebuilt> RebuildHereAsync(string name, CancellationToken cancel)
    {
        while (true)
        {
            if (await TryRebuildAsync(_projections[name], _ => true, cancel) is { } rebuilt) return rebuilt;
            await Task.Delay(Poll, clock, cancel);
        }
    }

    /// <summary>Null: another process rebuilds it, or has just done so and it is not <paramref name="wanted"/> any more.</summary>
    internal async Task<Rebuilt?> TryRebuildAsync(IProjection projection, Func<ProjectionStatus, bool> wanted, CancellationToken cancel)
    {
        await using var lead = await Leadership.TryTakeAsync(options, $"rebuild of {projection.Name}", clock, cancel);
        if (lead is null || !wanted((await _book.StatusAsync(lead.Connection, projection.Name, cancel)).Single())) return null;
        try
        {
            var work = new Rebuild(options, _book, projection, clock).RunAsync(cancel);
            await lead.BeatWhileAsync(work, cancel);
            Moved(projection.Name, 0);
            return await work;
        }
        catch (Exception e) when (e is ProjectionStoppedException or PostgresException { IsTransient: false })
        {
            await _book.RebuildAsync(lead.Connection, projection.Name, "failed", e.Message, cancel);
            throw;
        }
    }

    /// <summary>Returns when the projection has taken in everything up to this number in the store.</summary>
    /// <exception cref="ProjectionStoppedException">It has stopped before.</exception>
    public async Task WaitForAsync(string name, long seq, CancellationToken cancel)
    {
        var progress = Of(name);
        while (true)
        {
            var next = progress.Next;
            if (progress.Position >= seq) return;
            await using (var db = await options.DataSource.OpenConnectionAsync(cancel))
            {
                var status = (await _book.StatusAsync(db, name, cancel)).SingleOrDefault() ?? throw new ArgumentException($"There is no projection '{name}'.", nameof(name));
                if (status.Position >= seq) return;
                if (status.Poison is { } poison) throw new ProjectionStoppedException(name, poison);
            }
            await MovedOrPolledAsync(next, cancel);
        }
    }

    /// <summary>Waits until the projection has taken in this version of the stream: read what you wrote. The fact may not even be written yet.</summary>
    /// <returns>False if it has not by then.</returns>
    /// <exception cref="ProjectionStoppedException">It has stopped before.</exception>
    public async Task<bool> WaitForAsync(string name, Guid streamId, long version, TimeSpan atMost, CancellationToken cancel)
    {
        using var patience = new CancellationTokenSource(atMost, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancel, patience.Token);
        try
        {
            await WaitForAsync(name, streamId, version, either.Token);
            return true;
        }
        catch (OperationCanceledException) when (patience.IsCancellationRequested && !cancel.IsCancellationRequested)
        {
            return false;
        }
    }

    async Task WaitForAsync(string name, Guid streamId, long version, CancellationToken cancel)
    {
        while (true)
        {
            var next = Of(name).Next;
            if (await SeqAsync(streamId, version, cancel) is { } seq)
            {
                await WaitForAsync(name, seq, cancel);
                return;
            }
            await MovedOrPolledAsync(next, cancel);
        }
    }

    /// <summary>This process's runner has got to <paramref name="position"/>.</summary>
    internal void Moved(string name, long position) => Of(name).Move(position);

    internal async Task<long?> SeqAsync(Guid streamId, long version, CancellationToken cancel) =>
        await options.DataSource.ScalarAsync($"SELECT seq_id FROM {options.Schema}.mt_events WHERE stream_id = $1 AND version = $2", cancel, streamId, version) as long?;

    async Task MovedOrPolledAsync(Task moved, CancellationToken cancel)
    {
        using var timer = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        await Task.WhenAny(moved, Task.Delay(Poll, clock, timer.Token));
        await timer.CancelAsync();
        cancel.ThrowIfCancellationRequested();
    }

    Progress Of(string name) => _progress.GetOrAdd(name, _ => new Progress());

    /// <summary>How far this process has taken a projection, and a task that ends when it goes further.</summary>
    sealed class Progress
    {
        TaskCompletionSource _next = new(TaskCreationOptions.RunContinuationsAsynchronously);
        long _position;

        public long Position => Volatile.Read(ref _position);
        public Task Next => Volatile.Read(ref _next).Task;

        public void Move(long position)
        {
            if (position > Position) Volatile.Write(ref _position, position);
            Interlocked.Exchange(ref _next, new(TaskCreationOptions.RunContinuationsAsynchronously)).SetResult();
        }
    }
}

public static class ProjectionRegistration
{
    /// <summary>This process keeps the projection up to date, or stands by to. After <see cref="EventStoreRegistration.AddEventStore"/>.</summary>
    public static IServiceCollection AddProjection<T>(this IServiceCollection services) where T : class, IProjection
    {
        services.AddProjections();
        services.AddSingleton<T>();
        return services.AddSingleton<IProjection>(s => s.GetRequiredService<T>());
    }

    /// <summary>This process may ask about projections, whoever runs them.</summary>
    public static IServiceCollection AddProjections(this IServiceCollection services)
    {
        if (services.Any(s => s.ServiceType == typeof(Projections))) return services;
        services.AddSingleton<Projections>();
        return services.AddHostedService<ProjectionRunner>();
    }
}
