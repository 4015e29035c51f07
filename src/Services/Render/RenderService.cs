using FlatRender.Contracts;
using FlatRender.Foundation;
using MassTransit;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
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
        services.AddSingleton<Tell>(s => (message, cancel) => s.GetRequiredService<IBus>().Publish(message, message.GetType(), Passing, cancel));
        services.AddSingleton<Preparation>();
        services.AddSingleton<FarmLog>();
        services.AddSingleton<WorkBook>();
        services.AddSingleton<NodeBook>();
        services.AddSingleton<FarmState>();
        services.AddSingleton<LiveBoard>();
        services.AddSingleton<NodeCalls>();
        services.AddSingleton<DoorTally>();
        services.AddSingleton<IStartupFilter>(s => s.GetRequiredService<DoorTally>());
        services.AddHttpClient(NodeCalls.Client, http => http.Timeout = TimeSpan.FromSeconds(5));
        services.AddHostedService<Dispatcher>();
    }

    /// <summary>What is only worth something now: kept on no disk, and dropped when nobody takes it soon.</summary>
    static readonly IPipe<PublishContext> Passing = Pipe.Execute<PublishContext>(p => (p.Durable, p.TimeToLive) = (false, TimeSpan.FromSeconds(10)));

    public override void Consume(IBusRegistrationConfigurator bus)
    {
        bus.AddConsumer<PrepareConsumer>();
        bus.AddConsumer<WorkOrders>();
        bus.AddConsumer<FarmDesk>();
        bus.AddConsumer<LivePartConsumer, LivePartConsumer.Queue>();
    }

    public override void Map(IEndpointRouteBuilder routes)
    {
        _ = FarmMeters.All;
        var nodes = routes.MapGroup("/v1/nodes").ForNodes().WithTags("nodes").WithMetadata(new RequestSizeLimitAttribute(NodeDoor.MaxBody)).AddEndpointFilter(Bodies.Whole);
        nodes.MapPost("", NodeDoor.RegisterAsync).Accepts<NodeRegistration>("application/json").Tells<NodeWelcome>("RegisterNode", "A node is there, with nothing under way.", 200, 413, 415, 422);
        nodes.MapPost("{id}/heartbeat", NodeDoor.HeartbeatAsync).Accepts<NodeHeartbeat>("application/json").Tells<NodeOrders>("Beat", "A node lives, and works on these leases.", 200, 404, 413, 415, 422);
        nodes.MapPost("{id}/progress", NodeDoor.ProgressAsync).Accepts<NodeProgress>("application/json").Tells<NodeOrders>("Progress", "How far a task is.", 200, 404, 413, 415, 422);
        nodes.MapPost("{id}/results", NodeDoor.ResultAsync).Accepts<NodeResult>("application/json").Tells("Result", "A task has ended.", 204, null, 404, 409, 413, 415, 422);
        nodes.MapPost("{id}/leave", NodeDoor.LeaveAsync).Tells("Leave", "A node goes.", 204, null, 404);
    }
}
