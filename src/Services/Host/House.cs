using System.Net.Sockets;
using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.Foundation;
using FlatRender.Sagas;
using MassTransit;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Npgsql;

namespace FlatRender.Host;

/// <summary>Builds the process from the rooms it was asked for, and runs it.</summary>
static class House
{
    /// <summary>Whoever asks about readiness will not wait long either.</summary>
    static readonly TimeSpan ReadyWithin = TimeSpan.FromSeconds(2);

    /// <returns>0 after an orderly end, 1 when it could not start.</returns>
    public static async Task<int> ServeAsync(ServeOptions options)
    {
        await using var app = Build(options);
        try
        {
            await UpdateSchemasAsync(app, options);
            await app.StartAsync();
        }
        catch (Exception e) when (e is NpgsqlException or IOException or SocketException)
        {
            Console.Error.WriteLine($"FlatRender cannot start: {e.Message}");
            return 1;
        }

        // Whoever started it waits for this line.
        Console.WriteLine($"ready {app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First()}");
        await app.WaitForShutdownAsync();
        return 0;
    }

    /// <param name="more">Said last: what a test has otherwise.</param>
    public static WebApplication Build(ServeOptions options, Action<IServiceCollection>? more = null)
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
        builder.WebHost.UseUrls(options.Urls).UseKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = 8 << 20;
        });
        builder.AddObservation(options);
        builder.Logging.SetMinimumLevel(LogLevel.Information)
            .AddFilter("Microsoft", LogLevel.Warning).AddFilter("System", LogLevel.Warning).AddFilter("MassTransit", LogLevel.Warning).AddFilter("Npgsql", LogLevel.Warning);
        builder.Services.ConfigureHttpJsonOptions(json => Wire.Configure(json.SerializerOptions));
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(20));
        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.AddSingleton(options.Deployment).AddSingleton(options.Deployment.Secrets).AddSingleton(Vocabulary.All);
        builder.Services.AddSingleton(_ => NpgsqlDataSource.Create(options.Deployment.Database));
        builder.Services.AddSingleton(new Blobs(Path.Combine(options.Deployment.Home, "files")));
        builder.Services.AddSingleton(LegalPath.Kind).AddSingleton(Identity.Purse.Kind);
        builder.Services.AddTokenAccess();
        builder.Services.AddEventStore(store => store.Broker = options.Deployment.Broker);
        if (options.Messages is { } messages) builder.Services.AddSingleton(messages);
        if (options.Live is { } live) builder.Services.AddSingleton(live);
        foreach (var service in options.Services) service.Register(builder.Services);
        if (!options.Deployment.InMemory) builder.Services.AddSingleton<DeadLetters>().AddHostedService(s => s.GetRequiredService<DeadLetters>());
        builder.Services.AddMassTransit(bus => Bus.Configure(bus, options));
        builder.Services.Configure<MassTransitHostOptions>(host => host.WaitUntilStarted = true);

        builder.Services.AddDoors();
        builder.Services.AddOwnOperations(options);
        more?.Invoke(builder.Services);

        var app = builder.Build();
        app.UseDoors();
        app.MapGet("/health/live", () => Results.Json(new { status = "live" })).AllowAnonymous();
        app.MapGet("/health/ready", ReadyAsync).AllowAnonymous();
        app.MapMetrics();
        app.MapDocuments();
        foreach (var service in options.Services) service.Map(app);
        app.OpenOwnOperations();
        return app;
    }

    public static async Task UpdateSchemasAsync(WebApplication app, ServeOptions options)
    {
        var database = app.Services.GetRequiredService<NpgsqlDataSource>();
        await Migration.ApplyAsync(database, "eventstore", CancellationToken.None);
        await Tokens.UpdateSchemaAsync(database, CancellationToken.None);
        foreach (var service in options.Services) await service.UpdateSchemaAsync(database, CancellationToken.None);
    }

    static async Task<IResult> ReadyAsync(NpgsqlDataSource database, IBusControl bus, TimeProvider clock, CancellationToken cancel)
    {
        using var patience = new CancellationTokenSource(ReadyWithin, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancel, patience.Token);
        try
        {
            await database.QueryAsync("SELECT 1", row => row.GetInt32(0), either.Token);
        }
        catch (Exception e) when (Away.Is(e) || patience.IsCancellationRequested)
        {
            return Refuse.Unavailable($"The database is away: {e.Message}");
        }

        var health = bus.CheckHealth();
        return health.Status == BusHealthStatus.Healthy ? Results.Json(new { status = "ready" }) : Refuse.Unavailable($"The broker is away: {health.Description}");
    }
}
