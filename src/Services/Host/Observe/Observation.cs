using OpenTelemetry;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace FlatRender.Host;

/// <summary>How the process is watched: metrics at <c>/metrics</c>, traces to whoever <c>OTEL_EXPORTER_OTLP_ENDPOINT</c> names, logs as lines for people or as JSON.</summary>
static class Observation
{
    /// <summary>What leaves spans: requests in, messages, steps of the store, calls to nodes.</summary>
    static readonly string[] Sources = ["Microsoft.AspNetCore", "MassTransit", "FlatRender.*", "System.Net.Http", "Npgsql"];

    public static void AddObservation(this WebApplicationBuilder builder, ServeOptions options)
    {
        builder.Services.AddSingleton(options).AddSingleton<Metrics>().AddSingleton<StoreGauges>();
        builder.Logging.Configure(log => log.ActivityTrackingOptions = ActivityTrackingOptions.TraceId | ActivityTrackingOptions.SpanId);
        if (Environment.GetEnvironmentVariable("FLATRENDER_LOG") == "json") builder.Logging.AddConsole(console => console.FormatterName = JsonLines.Name_).AddConsoleFormatter<JsonLines, Microsoft.Extensions.Logging.Console.ConsoleFormatterOptions>();
        else builder.Logging.AddSimpleConsole(console => console.SingleLine = true);
        if (Environment.GetEnvironmentVariable("OTEL_EXPORTER_OTLP_ENDPOINT") is not { Length: > 0 }) return;
        builder.Services.AddHostedService(_ => new Traces(Sdk.CreateTracerProviderBuilder()
            .AddSource(Sources)
            .ConfigureResource(r => r.AddService("flatrender", serviceInstanceId: $"{Environment.MachineName}-{Environment.ProcessId}"))
            .AddOtlpExporter()
            .Build()));
    }

    public static void MapMetrics(this WebApplication app)
    {
        app.Services.GetRequiredService<StoreGauges>().Register();
        var metrics = app.Services.GetRequiredService<Metrics>();
        app.MapGet("/metrics", async (StoreGauges gauges, CancellationToken cancel) =>
        {
            await gauges.LookAsync(cancel);
            return Results.Text(metrics.Text(), Metrics.ContentType);
        }).AllowAnonymous().ExcludeFromDescription();
    }

    /// <summary>Spans that were not sent yet are sent before the process ends.</summary>
    sealed class Traces(TracerProvider provider) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken)
        {
            provider.Dispose();
            return Task.CompletedTask;
        }
    }
}
