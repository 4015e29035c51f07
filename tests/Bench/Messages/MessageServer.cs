using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.Foundation;
using FlatRender.Gateway;
using FlatRender.Gateway.Messages;
using MassTransit;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace FlatRender.Bench.Messages;

/// <summary>The gateway as it is, at the broker, with one route and no limit that a load would reach.</summary>
static class MessageServer
{
    public static async Task RunAsync(string database, string broker, string exchange)
    {
        var file = Path.GetTempFileName();
        await File.WriteAllTextAsync(file, $$"""
            {"limits":{"in_flight":10000,"per_second":1000000},
             "routes":[{"url":"echo","exchange":"{{exchange}}","routing_key":"echo","token":false,"timeout_seconds":30}]}
            """);
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        var secrets = new Secrets("the-owners-token-of-this-benchmark", "the-nodes-token-of-this-benchmark", "the-orchestrators-secret");
        var service = new GatewayService();
        builder.Services.AddSingleton(new MessageFile(file, InMemory: false));
        builder.Services.AddSingleton(TimeProvider.System).AddSingleton(NpgsqlDataSource.Create(database)).AddSingleton(Vocabulary.All).AddSingleton(secrets)
            .AddSingleton(new Deployment(AppContext.BaseDirectory, "", broker, secrets)).AddSingleton(new Blobs(Path.GetTempPath())).AddTokenAccess().AddEventStore(_ => { });
        service.Register(builder.Services);
        builder.Services.AddMassTransit(bus =>
        {
            service.Consume(bus);
            bus.UsingInMemory((context, transport) => transport.ConfigureEndpoints(context));
        });
        await using var app = builder.Build();
        app.UseAuthentication();
        app.UseAuthorization();
        service.Map(app);
        await app.StartAsync();
        Console.WriteLine(app.Urls.Single().Replace("http", "ws", StringComparison.Ordinal) + "/ws/v1/messages");
        await Warm.AnswerAsync();
        File.Delete(file);
    }
}
