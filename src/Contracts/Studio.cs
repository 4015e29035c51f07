namespace FlatRender.Contracts;

// Projects: a template with what a person has filled in so far. A snapshot is a project as it was: it never changes, and a render shows exactly it.
//   GET, POST /v1/projects     NewProject -> 201 ProjectView      GET, PUT, DELETE /v1/projects/{id}   (ETag, If-Match)
//   GET, POST /v1/projects/{id}/snapshots -> 201 SnapshotView     GET /v1/snapshots/{id}

/// <param name="Inputs">As in <see cref="NewRender"/>, and so are the others.</param>
public sealed record NewProject(string Name, TemplateId TemplateId, IReadOnlyDictionary<string, string>? Inputs, int? Width, int? Height, string? Fps, string? Background);

/// <param name="Inputs">Null in lists.</param>
/// <param name="Version">Grows with each change.</param>
public sealed record ProjectView(
    ProjectId ProjectId, string Name, TemplateId TemplateId, IReadOnlyDictionary<string, string>? Inputs, int? Width, int? Height, string? Fps, string? Background, long Version, DateTimeOffset CreatedAt, DateTimeOffset UpdatedAt);

/// <param name="Inputs">Null in lists.</param>
/// <param name="Digest">SHA-256 over all that the film depends on: the same digest is the same film.</param>
public sealed record SnapshotView(
    SnapshotId SnapshotId, ProjectId ProjectId, string Name, TemplateId TemplateId, IReadOnlyDictionary<string, string>? Inputs, int? Width, int? Height, string? Fps, string? Background, string Digest, DateTimeOffset CreatedAt)
{
    /// <summary>Without its inputs.</summary>
    public static SnapshotView Of(SnapshotTaken fact, DateTimeOffset at) =>
        new(fact.SnapshotId, fact.ProjectId, fact.Content.Name, fact.Content.TemplateId, null, fact.Content.Width, fact.Content.Height, fact.Content.Fps, fact.Content.Background, fact.Digest, at);
}

/// <summary>Asks the studio for a snapshot, or for one of a project as it is now; answered by <see cref="FoundSnapshot"/>.</summary>
/// <param name="Bare">Without its inputs, which may be large.</param>
public sealed record FindSnapshot(TenantId TenantId, SnapshotId? SnapshotId, ProjectId? ProjectId, string By, bool Bare = false);

/// <param name="Snapshot">Null: the tenant has no such.</param>
public sealed record FoundSnapshot(SnapshotView? Snapshot);

// What happened, in the project's stream. Inputs are a blob: images may be among them.

public sealed record ProjectContent(string Name, TemplateId TemplateId, string InputsDigest, int? Width, int? Height, string? Fps, string? Background);
public sealed record ProjectCreated(ProjectId ProjectId, TenantId TenantId, ProjectContent Content, string By, string Reason);
public sealed record ProjectChanged(ProjectId ProjectId, TenantId TenantId, ProjectContent Content, string By, string Reason);
public sealed record ProjectDeleted(ProjectId ProjectId, TenantId TenantId, string By, string Reason);
public sealed record SnapshotTaken(SnapshotId SnapshotId, ProjectId ProjectId, TenantId TenantId, ProjectContent Content, string Digest, string By, string Reason);
