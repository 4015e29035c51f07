using System.Text.Json;
using FlatRender.Contracts;
using FlatRender.Foundation;

namespace FlatRender.Studio;

/// <summary>Someone else has changed the project meanwhile.</summary>
public enum Outcome { Done, Missing, Changed }

/// <summary>Changes of projects, each decided on the newest version and seen when it is answered.</summary>
public sealed class Studio(Streams streams, Vocabulary vocabulary, ProjectShelf shelf, EventStore.Projections projections, Blobs blobs)
{
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);

    /// <summary>The same id twice is one project: the first.</summary>
    /// <returns>False: the first was made of something else.</returns>
    public async Task<bool> CreateAsync(TenantId tenant, ProjectId id, ProjectContent content, string by, CancellationToken cancel)
    {
        while (true)
            try
            {
                await streams.AppendAsync(id.Value, Project.StreamType, 0, [new ProjectCreated(id, tenant, content, by, "created")], by, cancel);
                break;
            }
            catch (ConcurrencyException)
            {
                // Nothing there: its place was held by somebody who has let it go.
                if ((await streams.ReadAsync(id.Value, 1, 1, cancel)).SingleOrDefault() is not { } other) continue;
                if (other.Fact(vocabulary) is not ProjectCreated first || first.Content != content) return false;
                break;
            }
        await SeenAsync(id.Value, 1, cancel);
        return true;
    }

    /// <param name="version">The one the caller has seen; null: whatever it is.</param>
    public Task<Outcome> ChangeAsync(TenantId tenant, ProjectId id, long? version, ProjectContent content, string by, CancellationToken cancel) =>
        DecideAsync(tenant, id, version, project => project.Content == content ? null : new ProjectChanged(id, tenant, content, by, "changed"), by, cancel);

    public Task<Outcome> DeleteAsync(TenantId tenant, ProjectId id, long? version, string by, CancellationToken cancel) =>
        DecideAsync(tenant, id, version, _ => new ProjectDeleted(id, tenant, by, "deleted"), by, cancel);

    /// <summary>The project as it is now, for good. Unchanged since the last time, it is that snapshot.</summary>
    /// <returns>Null: the tenant has no such project.</returns>
    public async Task<Shelved<SnapshotView>?> TakeSnapshotAsync(TenantId tenant, ProjectId id, string by, CancellationToken cancel)
    {
        while (true)
        {
            var (project, version) = await FoldAsync(tenant, id, cancel);
            if (project is null) return null;
            var digest = Project.DigestOf(project.Content!);
            var snapshot = new SnapshotId(Ids.Derived(id.Value, "snapshot " + digest));
            if (await shelf.FindSnapshotAsync(tenant, snapshot, cancel) is { } taken) return taken;
            try
            {
                version = await streams.AppendAsync(id.Value, Project.StreamType, version, [new SnapshotTaken(snapshot, id, tenant, project.Content!, digest, by, "taken")], by, cancel);
            }
            catch (ConcurrencyException)
            {
                // Look again: it may have been taken meanwhile.
                continue;
            }
            await SeenAsync(id.Value, version, cancel);
        }
    }

    /// <summary>With its inputs.</summary>
    public async Task<SnapshotView> FilledAsync(Shelved<SnapshotView> found, CancellationToken cancel) => found.View with { Inputs = await InputsAsync(found.InputsDigest, cancel) };
    public async Task<ProjectView> FilledAsync(Shelved<ProjectView> found, CancellationToken cancel) => found.View with { Inputs = await InputsAsync(found.InputsDigest, cancel) };

    async Task<Dictionary<string, string>> InputsAsync(string digest, CancellationToken cancel)
    {
        await using var file = blobs.Open(digest);
        return (await JsonSerializer.DeserializeAsync<Dictionary<string, string>>(file, Wire.Json, cancel))!;
    }

    async Task<Outcome> DecideAsync(TenantId tenant, ProjectId id, long? seen, Func<Project, object?> decide, string by, CancellationToken cancel)
    {
        while (true)
        {
            var (project, version) = await FoldAsync(tenant, id, cancel);
            if (project is null) return Outcome.Missing;
            if (seen is { } asked)
            {
                // The shelf follows the stream: what it says counts once it has come to where this decision stands.
                await SeenAsync(id.Value, version, cancel);
                if (await shelf.FindAsync(tenant, id, cancel) is { } now && now.View.Version != asked) return Outcome.Changed;
            }
            if (decide(project) is not { } fact) return Outcome.Done;
            try
            {
                await SeenAsync(id.Value, await streams.AppendAsync(id.Value, Project.StreamType, version, [fact], by, cancel), cancel);
                return Outcome.Done;
            }
            catch (ConcurrencyException)
            {
                // Look again.
            }
        }
    }

    async Task<(Project? Project, long Version)> FoldAsync(TenantId tenant, ProjectId id, CancellationToken cancel)
    {
        var version = await streams.VersionAsync(id.Value, cancel);
        if (version == 0 || await shelf.FindAsync(tenant, id, cancel) is null) return default;
        var project = await streams.FoldAsync<Project>(id.Value, version, cancel);
        return project is { State: "open" } && project.TenantId == tenant ? (project, version) : default;
    }

    async Task SeenAsync(Guid stream, long version, CancellationToken cancel)
    {
        if (!await projections.WaitForAsync(ProjectShelf.ProjectionName, stream, version, Patience, cancel)) throw new TimeoutException($"Project {stream} is stored and not seen yet.");
    }
}
