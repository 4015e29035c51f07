using FlatRender.Contracts;
using FlatRender.Foundation;
using MassTransit;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;

namespace FlatRender.Studio;

/// <summary>Projects and their snapshots: what people work on before it is rendered.</summary>
public sealed class StudioService : Service
{
    public override string Role => "studio";

    public override void Register(IServiceCollection services)
    {
        services.AddSingleton<Studio>();
        services.AddProjection<ProjectShelf>();
    }

    public override void Consume(IBusRegistrationConfigurator bus)
    {
        bus.AddConsumer<FindSnapshotConsumer>();
        bus.AddRequestClient<FindTemplate>(RequestTimeout.After(s: 10));
    }

    public override void Map(IEndpointRouteBuilder routes)
    {
        var projects = routes.MapGroup("/v1/projects").Needs(Permission.ProjectsRead).WithTags("projects");
        projects.MapGet("", ProjectDoor.ListAsync).Tells<Page<ProjectView>>("ListProjects", "The tenant's projects, newest first.", 200, 422);
        // Images travel inside, as data: URIs.
        projects.MapPost("", ProjectDoor.CreateAsync).Tells<ProjectView>("CreateProject", "Makes a project: a template with what is filled in.", 201, 413, 415, 422).Needs(Permission.ProjectsWrite).WithMetadata(new Microsoft.AspNetCore.Mvc.RequestSizeLimitAttribute(64L << 20));
        projects.MapGet("{id}", ProjectDoor.GetAsync).Tells<ProjectView>("GetProject", "One project, with its inputs.", 200, 404).Produces(304);
        projects.MapPut("{id}", ProjectDoor.ChangeAsync).Tells<ProjectView>("ChangeProject", "Replaces what a project holds; with If-Match, only if nobody has changed it since.", 200, 404, 412, 413, 415, 422).Needs(Permission.ProjectsWrite).WithMetadata(new Microsoft.AspNetCore.Mvc.RequestSizeLimitAttribute(64L << 20));
        projects.MapDelete("{id}", ProjectDoor.DeleteAsync).Tells("DeleteProject", "Deletes a project; its snapshots stay.", 204, null, 404, 412).Needs(Permission.ProjectsWrite);
        projects.MapPost("{id}/snapshots", ProjectDoor.TakeSnapshotAsync).Tells<SnapshotView>("TakeSnapshot", "Keeps the project as it is now, for good.", 201, 404).Needs(Permission.ProjectsWrite);
        projects.MapGet("{id}/snapshots", ProjectDoor.SnapshotsAsync).Tells<Page<SnapshotView>>("ListSnapshots", "A project's snapshots, newest first.", 200, 404, 422);
        routes.MapGroup("/v1/snapshots").Needs(Permission.ProjectsRead).WithTags("projects").MapGet("{id}", ProjectDoor.SnapshotAsync).Tells<SnapshotView>("GetSnapshot", "One snapshot, with its inputs.", 200, 404).Produces(304);
    }
}

/// <summary>Gives the gateway what a render is to show.</summary>
public sealed class FindSnapshotConsumer(Studio studio, ProjectShelf shelf) : IConsumer<FindSnapshot>
{
    public async Task Consume(ConsumeContext<FindSnapshot> x)
    {
        var (ask, cancel) = (x.Message, x.CancellationToken);
        var snapshot = ask.SnapshotId is { } id ? await shelf.FindSnapshotAsync(ask.TenantId, id, cancel)
            : ask.ProjectId is { } project ? await studio.TakeSnapshotAsync(ask.TenantId, project, ask.By, cancel) : null;
        await x.RespondAsync(new FoundSnapshot(snapshot is null ? null : ask.Bare ? snapshot.View : await studio.FilledAsync(snapshot, cancel)));
    }
}
