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
        support.MapGet("jobs/{id:guid}/replay", History.ReplayAsync);
        support.MapGet("verify", History.VerifyAsync).DisableRequestTimeout();
        support.MapGet("export", History.ExportAsync).DisableRequestTimeout();
        support.MapGet("search", Inquiries.SearchAsync);
        support.MapGet("nodes", Inquiries.NodesAsync);
        support.MapPost("nodes/{id}/drain", FarmDoor.DrainAsync).Needs(Permission.SupportWrite);
        support.MapPost("nodes/{id}/quarantine", FarmDoor.QuarantineAsync).Needs(Permission.SupportWrite);
        support.MapPost("nodes/{id}/release", FarmDoor.ReleaseAsync).Needs(Permission.SupportWrite);
        support.MapGet("farm", FarmDoor.ShowAsync).Produces<FarmView>();
        support.MapPut("limits", FarmDoor.LimitAsync).Needs(Permission.SupportWrite);
        support.MapGet("jobs/{id:guid}/waiting", FarmDoor.WaitingAsync).Produces<WaitExplained>();
        support.MapGet("usage", Inquiries.UsageAsync);
        support.MapGet("projections", Inquiries.ProjectionsAsync);
        support.MapPost("projections/{name}/rebuild", Inquiries.RebuildAsync).Needs(Permission.SupportWrite);
        support.MapPost("projections/{name}/resume", Inquiries.ResumeAsync).Needs(Permission.SupportWrite);
    }
}
