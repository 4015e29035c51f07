using System.Text.Json;
using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.Foundation;
using MassTransit;

namespace FlatRender.Gateway.Sockets;

/// <summary>Who follows the snapshots of which project in this gateway. As with renders, a fact only says that there is something new; what it is, the store says.</summary>
public sealed class LiveSnapshots(Streams streams, Vocabulary vocabulary, Blobs blobs, IServiceScopeFactory scopes)
{
    /// <summary>Inputs that hold images are not for a socket: beyond so many bytes a client reads them over REST.</summary>
    const int LongestInputs = 64 << 10;

    readonly Lock _gate = new();

    /// <summary>With each follower, the version of the project's history that it knows.</summary>
    readonly Dictionary<ProjectId, Dictionary<Watcher, long>> _followers = [];

    /// <summary>Tells the watcher this snapshot, then the newest of its project where that is another, and from then on each that is taken.</summary>
    /// <returns>The project, to be left again; null when the tenant has no such snapshot.</returns>
    internal async Task<ProjectId?> FollowAsync(Watcher watcher, TenantId tenant, SnapshotId id, CancellationToken cancel)
    {
        await using var scope = scopes.CreateAsyncScope();
        var found = await scope.ServiceProvider.GetRequiredService<IRequestClient<FindSnapshot>>().GetResponse<FoundSnapshot>(new FindSnapshot(tenant, id, null, "", Bare: true), cancel);
        if (found.Message.Snapshot is not { ProjectId: var project }) return null;
        var facts = await streams.ReadAsync(project.Value, cancel);
        var taken = Taken(facts);
        foreach (var shot in taken.Where(t => t.Shot.SnapshotId == id).Concat(taken.TakeLast(1)).DistinctBy(t => t.Fact.Version)) watcher.Outbox.Tell(await MessageAsync(shot, cancel));
        lock (_gate)
        {
            if (!_followers.TryGetValue(project, out var followers)) _followers[project] = followers = [];
            followers[watcher] = Math.Max(followers.GetValueOrDefault(watcher), facts[^1].Version);
        }

        return project;
    }

    internal void Leave(Watcher watcher, ProjectId project)
    {
        lock (_gate)
            if (_followers.TryGetValue(project, out var followers) && followers.Remove(watcher) && followers.Count == 0) _followers.Remove(project);
    }

    /// <summary>A project may have a new snapshot.</summary>
    public Task StirAsync(ProjectId project, CancellationToken cancel) => LookAsync(p => p == project, cancel);

    /// <summary>A look at all of them, for what nobody told this gateway of.</summary>
    public Task LookAsync(CancellationToken cancel) => LookAsync(_ => true, cancel);

    async Task LookAsync(Func<ProjectId, bool> at, CancellationToken cancel)
    {
        (Guid Project, long Seq)[] known;
        lock (_gate) known = [.. _followers.Where(f => at(f.Key)).Select(f => (f.Key.Value, f.Value.Values.Min()))];
        if (known.Length == 0) return;
        var facts = await streams.ReadBeyondAsync([.. known.Select(k => k.Project)], [.. known.Select(k => k.Seq)], cancel);
        foreach (var its in facts.GroupBy(f => f.StreamId)) await TellAsync(new ProjectId(its.Key), [.. its], cancel);
    }

    async Task TellAsync(ProjectId project, IReadOnlyList<RecordedEvent> facts, CancellationToken cancel)
    {
        var news = new List<(long Seq, ReadOnlyMemory<byte> Message)>();
        foreach (var shot in Taken(facts)) news.Add((shot.Fact.Version, await MessageAsync(shot, cancel)));
        lock (_gate)
        {
            if (!_followers.TryGetValue(project, out var followers)) return;
            foreach (var (watcher, seq) in followers.ToArray())
            {
                // Two may have read the same: what was told already is not told again.
                foreach (var (_, message) in news.Where(n => n.Seq > seq)) watcher.Outbox.Tell(message);
                followers[watcher] = Math.Max(seq, facts[^1].Version);
            }
        }
    }

    List<(RecordedEvent Fact, SnapshotTaken Shot)> Taken(IEnumerable<RecordedEvent> facts) => [.. facts.Where(f => vocabulary.Knows(f.Type)).SelectMany(f => f.Fact(vocabulary) is SnapshotTaken shot ? [(f, shot)] : Array.Empty<(RecordedEvent, SnapshotTaken)>())];

    async Task<ReadOnlyMemory<byte>> MessageAsync((RecordedEvent Fact, SnapshotTaken Shot) taken, CancellationToken cancel)
    {
        var view = SnapshotView.Of(taken.Shot, taken.Fact.Timestamp) with { Inputs = await InputsAsync(taken.Shot.Content.InputsDigest, cancel) };
        return Beat.Json(new LiveSnapshotUpdate(view.SnapshotId.Value, JsonSerializer.SerializeToElement(view, Wire.Json)));
    }

    async Task<IReadOnlyDictionary<string, string>?> InputsAsync(string digest, CancellationToken cancel)
    {
        if (!blobs.Exists(digest)) return null;
        await using var file = blobs.Open(digest);
        return file.Length > LongestInputs ? null : await JsonSerializer.DeserializeAsync<Dictionary<string, string>>(file, Wire.Json, cancel);
    }
}
