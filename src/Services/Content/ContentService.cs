using FlatRender.Contracts;
using FlatRender.Foundation;
using MassTransit;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace FlatRender.Content;

/// <summary>Templates: what a render is made from.</summary>
public sealed class ContentService : Service
{
    public override string Role => "content";

    public override Task UpdateSchemaAsync(NpgsqlDataSource database, CancellationToken cancel) =>
        Schema.UpdateAsync(database, "content", typeof(ContentService).Assembly, cancel);

    public override void Register(IServiceCollection services) => services.AddSingleton<TemplateShelf>();

    public override void Consume(IBusRegistrationConfigurator bus) => bus.AddConsumer<FindTemplateConsumer>();

    public override void Map(IEndpointRouteBuilder routes)
    {
        var templates = routes.MapGroup("/v1/templates").ForPeople().WithTags("templates");
        templates.MapPost("", Uploads.UploadAsync);
        templates.MapGet("", Uploads.ListAsync);
        templates.MapGet("{id}", Uploads.GetAsync);
    }
}

/// <summary>The tenants' templates, as rows.</summary>
public sealed class TemplateShelf(NpgsqlDataSource database)
{
    public async Task AddAsync(TenantId tenant, TemplateView template, CancellationToken cancel)
    {
        await using var command = database.CreateCommand("INSERT INTO content.templates (template_id, tenant_id, name, bundle_digest, created_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING");
        command.Parameters.AddRange(Values(template.TemplateId.Value, tenant.Value, template.Name, template.Digest, template.CreatedAt));
        await command.ExecuteNonQueryAsync(cancel);
    }

    public async Task<TemplateView?> FindAsync(TenantId tenant, TemplateId id, CancellationToken cancel)
    {
        await using var command = database.CreateCommand("SELECT template_id, name, bundle_digest, created_at FROM content.templates WHERE tenant_id = $1 AND template_id = $2");
        command.Parameters.AddRange(Values(tenant.Value, id.Value));
        await using var rows = await command.ExecuteReaderAsync(cancel);
        return await rows.ReadAsync(cancel) ? View(rows) : null;
    }

    public async Task<Page<TemplateView>> ListAsync(TenantId tenant, int page, int size, CancellationToken cancel)
    {
        await using var command = database.CreateCommand("SELECT template_id, name, bundle_digest, created_at, count(*) OVER () FROM content.templates WHERE tenant_id = $1 ORDER BY created_at DESC, template_id LIMIT $2 OFFSET $3");
        command.Parameters.AddRange(Values(tenant.Value, size, (long)(page - 1) * size));
        var found = new List<TemplateView>();
        var total = 0L;
        await using var rows = await command.ExecuteReaderAsync(cancel);
        while (await rows.ReadAsync(cancel))
        {
            found.Add(View(rows));
            total = rows.GetInt64(4);
        }

        return new(found, page, size, total);
    }

    static TemplateView View(NpgsqlDataReader row) => new(new TemplateId(row.GetGuid(0)), row.GetString(1), row.GetString(2), row.GetFieldValue<DateTimeOffset>(3));

    static NpgsqlParameter[] Values(params object[] values) => [.. values.Select(v => new NpgsqlParameter { Value = v })];
}
