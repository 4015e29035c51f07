using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.Foundation;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace FlatRender.Support;

/// <summary>For who helps and who audits: what happened, what is stored, and whether it is true.</summary>
public sealed class SupportService : Service
{
    public override string Role => "support";

    /// <remarks>The host says which kinds of streams there are (<see cref="StreamKind"/>).</remarks>
    public override void Register(IServiceCollection services)
    {
        services.AddSingleton<Audit>();
        services.AddProjection<NodeView>();
        services.AddProjection<TenantUsage>();
        services.AddProjection<AuditSearch>();
    }

    public override void Map(IEndpointRouteBuilder routes)
    {
        var support = routes.MapGroup("/v1/support").Needs(Permission.SupportRead).WithTags("support");
        support.MapGet("jobs/{id:guid}/replay", History.ReplayAsync).Tells<ReplayView>("ReplayJob", "A render's memory as it was, and the facts that led there.", 200, 404, 422);
        support.MapGet("verify", History.VerifyAsync).Tells<AuditReport>("Verify", "Checks history against what is stored.", 200, 422).DisableRequestTimeout();
        support.MapGet("export", History.ExportAsync).Tells("Export", "Facts as NDJSON.", 200, "application/x-ndjson").DisableRequestTimeout();
        support.MapGet("search", Inquiries.SearchAsync).Tells<Page<FoundFact>>("Search", "Facts that have all the words, or all the ids.", 200, 422);
        support.MapGet("nodes", Inquiries.NodesAsync).Tells<IReadOnlyList<NodeRecord>>("ListNodes", "What is known of each node.", 200);
        support.MapGet("usage", Inquiries.UsageAsync).Tells<IReadOnlyList<UsageDay>>("ListUsage", "What tenants used, by day.", 200);
        support.MapGet("projections", Inquiries.ProjectionsAsync).Tells<IReadOnlyList<ProjectionStatus>>("ListProjections", "How the projections stand.", 200);
        support.MapPost("projections/{name}/rebuild", Inquiries.RebuildAsync).Tells<ProjectionStatus>("RebuildProjection", "Asks for a rebuild beside the live tables.", 202, 404).Needs(Permission.SupportWrite);
        support.MapPost("projections/{name}/resume", Inquiries.ResumeAsync).Tells<ProjectionStatus>("ResumeProjection", "Lets a stopped projection try again.", 200, 404).Needs(Permission.SupportWrite);
        support.MapPost("nodes/{id}/drain", FarmDoor.DrainAsync).Tells("DrainNode", "The node finishes what it has and takes nothing new.", 202, null, 404, 409, 415).Needs(Permission.SupportWrite);
        support.MapPost("nodes/{id}/quarantine", FarmDoor.QuarantineAsync).Tells("QuarantineNode", "The node is given nothing until it is released.", 202, null, 404, 409, 415).Needs(Permission.SupportWrite);
        support.MapPost("nodes/{id}/release", FarmDoor.ReleaseAsync).Tells("ReleaseNode", "The node is given work again.", 202, null, 404, 409, 415).Needs(Permission.SupportWrite);
        support.MapGet("farm", FarmDoor.ShowAsync).Tells<FarmView>("ShowFarm", "How the farm stands.", 200);
        support.MapPut("limits", FarmDoor.LimitAsync).Tells("SetLimit", "How many slots a tenant or template may have.", 202, null, 409, 415, 422).Needs(Permission.SupportWrite);
        support.MapGet("jobs/{id:guid}/waiting", FarmDoor.WaitingAsync).Tells<WaitExplained>("ExplainJobWait", "Why a render waits.", 200, 404);
    }
}
