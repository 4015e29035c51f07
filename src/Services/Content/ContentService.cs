using FlatRender.Contracts;
using FlatRender.Foundation;
using MassTransit;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
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
        var templates = routes.MapGroup("/v1/templates").Needs(Permission.TemplatesRead).WithTags("templates");
        templates.MapPost("", Uploads.UploadAsync).Accepts<TemplateBundle>("application/json").Tells<TemplateView>("AddTemplate", "Adds a template: a Lottie file with its fields, fonts and images. The same bundle again is the same template.", 201, 413, 422).Needs(Permission.TemplatesWrite);
        templates.MapGet("", Uploads.ListAsync).Tells<Page<TemplateView>>("ListTemplates", "The tenant's templates, newest first.", 200, 422);
        templates.MapGet("{id}", Uploads.GetAsync).Tells<TemplateView>("GetTemplate", "One template.", 200, 404).Produces(304);
    }
}

/// <summary>The tenants' templates, as rows.</summary>
public sealed class TemplateShelf(NpgsqlDataSource database)
{
    public Task AddAsync(TenantId tenant, TemplateView template, CancellationToken cancel) => database.RunAsync(
        "INSERT INTO content.templates (template_id, tenant_id, name, bundle_digest, created_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        cancel, template.TemplateId.Value, tenant.Value, template.Name, template.Digest, template.CreatedAt);

    public async Task<TemplateView?> FindAsync(TenantId tenant, TemplateId id, CancellationToken cancel) => (await database.QueryAsync(
        "SELECT template_id, name, bundle_digest, created_at FROM content.templates WHERE tenant_id = $1 AND template_id = $2",
        View, cancel, tenant.Value, id.Value)).SingleOrDefault();

    public Task<Page<TemplateView>> ListAsync(TenantId tenant, int page, int size, CancellationToken cancel) => database.PageAsync(
        "template_id, name, bundle_digest, created_at", "FROM content.templates WHERE tenant_id = $1", "created_at DESC, template_id", View, page, size, cancel, tenant.Value);

    static TemplateView View(NpgsqlDataReader row) => new(new TemplateId(row.GetGuid(0)), row.GetString(1), row.GetString(2), row.GetFieldValue<DateTimeOffset>(3));
}
