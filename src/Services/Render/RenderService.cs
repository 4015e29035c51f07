using FlatRender.Contracts;
using FlatRender.Foundation;
using MassTransit;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace FlatRender.Render;

/// <summary>The farm's office: prepares templates, plans chunks, leases work to nodes, and reports to the pipeline.</summary>
public sealed class RenderService : Service
{
    public override string Role => "render";

    public override Task UpdateSchemaAsync(NpgsqlDataSource database, CancellationToken cancel) =>
        Schema.UpdateAsync(database, "render", typeof(RenderService).Assembly, cancel);

    public override void Register(IServiceCollection services)
    {
        services.AddSingleton<Tell>(s => (message, cancel) => message is RenderProgress or LivePart
            ? s.GetRequiredService<IBus>().Publish(message, message.GetType(), Passing, cancel)
            : s.GetRequiredService<IBus>().Publish(message, message.GetType(), cancel));
        services.AddSingleton<Preparation>();
        services.AddSingleton<WorkBook>();
        services.AddSingleton<NodeBook>();
        services.AddSingleton<LiveBoard>();
        services.AddSingleton<NodeCalls>();
        services.AddHttpClient(NodeCalls.Client, http => http.Timeout = TimeSpan.FromSeconds(10));
        services.AddHostedService<Dispatcher>();
    }

    /// <summary>What is only worth something now: kept on no disk, and dropped when nobody takes it soon.</summary>
    static readonly IPipe<PublishContext> Passing = Pipe.Execute<PublishContext>(p => (p.Durable, p.TimeToLive) = (false, TimeSpan.FromSeconds(10)));

    public override void Consume(IBusRegistrationConfigurator bus)
    {
        bus.AddConsumer<PrepareConsumer>();
        bus.AddConsumer<WorkOrders>();
        bus.AddConsumer<LivePartConsumer, LivePartConsumer.Queue>();
    }

    public override void Map(IEndpointRouteBuilder routes)
    {
        var nodes = routes.MapGroup("/v1/nodes").ForNodes().WithTags("nodes");
        nodes.MapPost("", NodeDoor.RegisterAsync);
        nodes.MapPost("{id}/heartbeat", NodeDoor.HeartbeatAsync);
        nodes.MapPost("{id}/progress", NodeDoor.ProgressAsync);
        nodes.MapPost("{id}/results", NodeDoor.ResultAsync);
        nodes.MapPost("{id}/leave", NodeDoor.LeaveAsync);
    }
}
