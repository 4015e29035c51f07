using System.Text.Json;
using FlatRender.Contracts;
using Npgsql;

namespace FlatRender.Studio;

/// <summary>A project or snapshot as listed, with the blob of its inputs.</summary>
public sealed record Shelved<T>(T View, string InputsDigest);

/// <summary>Projects and snapshots as their tenants see them, made from facts.</summary>
public sealed class ProjectShelf(NpgsqlDataSource database, Vocabulary vocabulary) : IProjection
{
    public const string ProjectionName = "project_shelf";

    public string Name => ProjectionName;
    public string Schema => "studio";
    public bool SkipsUnknown => true;

    public Task CreateAsync(NpgsqlConnection db, string schema, CancellationToken cancel) => db.RunAsync($"""
        CREATE TABLE {schema}.projects (
            id uuid PRIMARY KEY,
            tenant_id uuid NOT NULL,
            created_at timestamptz NOT NULL,
            inputs_digest text NOT NULL,
            view jsonb NOT NULL
        );
        CREATE INDEX projects_of_tenant ON {schema}.projects (tenant_id, created_at DESC);
        CREATE TABLE {schema}.snapshots (
            id uuid PRIMARY KEY,
            tenant_id uuid NOT NULL,
            project_id uuid NOT NULL,
            created_at timestamptz NOT NULL,
            inputs_digest text NOT NULL,
            view jsonb NOT NULL
        );
        CREATE INDEX snapshots_of_project ON {schema}.snapshots (project_id, created_at DESC);
        """, cancel);

    public async Task ApplyAsync(NpgsqlConnection db, string schema, IReadOnlyList<RecordedEvent> batch, CancellationToken cancel)
    {
        foreach (var e in batch.Where(e => e.Type.StartsWith("studio.", StringComparison.Ordinal)))
        {
            await (e.Fact(vocabulary) switch
            {
                ProjectCreated f => db.RunAsync($"INSERT INTO {schema}.projects (id, tenant_id, created_at, inputs_digest, view) VALUES ($1, $2, $3, $4, $5::jsonb) ON CONFLICT DO NOTHING", cancel,
                    f.ProjectId.Value, f.TenantId.Value, e.Timestamp, f.Content.InputsDigest, Json(View(f.ProjectId, f.Content, e.Version, e.Timestamp, e.Timestamp))),
                ProjectChanged f => db.RunAsync($"UPDATE {schema}.projects SET inputs_digest = $2, view = $3::jsonb || jsonb_build_object('created_at', view->'created_at') WHERE id = $1", cancel,
                    f.ProjectId.Value, f.Content.InputsDigest, Json(View(f.ProjectId, f.Content, e.Version, e.Timestamp, e.Timestamp))),
                ProjectDeleted f => db.RunAsync($"DELETE FROM {schema}.projects WHERE id = $1", cancel, f.ProjectId.Value),
                SnapshotTaken f => db.RunAsync($"INSERT INTO {schema}.snapshots (id, tenant_id, project_id, created_at, inputs_digest, view) VALUES ($1, $2, $3, $4, $5, $6::jsonb) ON CONFLICT DO NOTHING", cancel,
                    f.SnapshotId.Value, f.TenantId.Value, f.ProjectId.Value, e.Timestamp, f.Content.InputsDigest, Json(SnapshotView.Of(f, e.Timestamp))),
                _ => Task.CompletedTask,
            });
        }
    }

    public Task<Shelved<ProjectView>?> FindAsync(TenantId tenant, ProjectId id, CancellationToken cancel) => FindAsync<ProjectView>("projects", tenant, id.Value, cancel);
    public Task<Shelved<SnapshotView>?> FindSnapshotAsync(TenantId tenant, SnapshotId id, CancellationToken cancel) => FindAsync<SnapshotView>("snapshots", tenant, id.Value, cancel);

    public Task<Page<ProjectView>> ListAsync(TenantId tenant, int page, int size, CancellationToken cancel) => ListAsync<ProjectView>("projects WHERE tenant_id = $1", page, size, cancel, tenant.Value);
    public Task<Page<SnapshotView>> SnapshotsAsync(TenantId tenant, ProjectId project, int page, int size, CancellationToken cancel) =>
        ListAsync<SnapshotView>("snapshots WHERE tenant_id = $1 AND project_id = $2", page, size, cancel, tenant.Value, project.Value);

    async Task<Shelved<T>?> FindAsync<T>(string table, TenantId tenant, Guid id, CancellationToken cancel) => (await database.QueryAsync(
        $"SELECT view::text, inputs_digest FROM studio.{table} WHERE id = $1 AND tenant_id = $2", row => new Shelved<T>(Read<T>(row.GetString(0)), row.GetString(1)), cancel, id, tenant.Value)).SingleOrDefault();

    Task<Page<T>> ListAsync<T>(string which, int page, int size, CancellationToken cancel, params object[] values) =>
        database.PageAsync("view::text", $"FROM studio.{which}", "created_at DESC, id", row => Read<T>(row.GetString(0)), page, size, cancel, values);

    public static ProjectView View(ProjectId id, ProjectContent c, long version, DateTimeOffset created, DateTimeOffset updated) => new(id, c.Name, c.TemplateId, null, c.Width, c.Height, c.Fps, c.Background, version, created, updated);

    static string Json<T>(T view) => JsonSerializer.Serialize(view, Wire.Json);
    static T Read<T>(string json) => JsonSerializer.Deserialize<T>(json, Wire.Json)!;
}
