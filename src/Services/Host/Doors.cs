using System.Collections.Concurrent;
using FlatRender.Contracts;
using FlatRender.Foundation;
using Microsoft.AspNetCore.Http.Timeouts;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace FlatRender.Host;

/// <summary>How strictly calls are counted: every rate is multiplied by this.</summary>
sealed record RateSettings(double Factor);

/// <summary>What every request passes, whatever room it is for: envelope, headers, origins, who calls, how often, how long.</summary>
static class Doors
{
    /// <summary>Longer than the longest preflight.</summary>
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(240);

    const string CorsVariable = "FLATRENDER_CORS_ORIGINS";

    public static void AddDoors(this IServiceCollection services)
    {
        services.TryAddSingleton(new RateSettings(1));
        services.AddSingleton<RateCount>();
        services.AddSignedCalls();
        services.Configure<RouteHandlerOptions>(routes => routes.ThrowOnBadRequest = true);
        services.AddRequestTimeouts(timeouts => timeouts.DefaultPolicy = new RequestTimeoutPolicy
        {
            Timeout = Patience,
            TimeoutStatusCode = StatusCodes.Status503ServiceUnavailable,
            WriteTimeoutResponse = http => http.Response.WriteAsJsonAsync(Refuse.Envelope("TIMEOUT", $"It took longer than {Patience.TotalSeconds} s."), Wire.Json),
        });
        // Pages of other sites may call only where the configuration names them.
        var origins = Environment.GetEnvironmentVariable(CorsVariable)?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) ?? [];
        services.AddCors(cors => cors.AddDefaultPolicy(policy => policy.WithOrigins(origins).WithMethods("GET", "POST", "PUT", "DELETE").WithHeaders("Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "Range")
            .WithExposedHeaders("Location", "ETag", "Retry-After", "Content-Range").SetPreflightMaxAge(TimeSpan.FromMinutes(10))));
    }

    public static void UseDoors(this WebApplication app)
    {
        app.Use(SayHeadersAsync);
        app.Use(TellRefusalsAsync);
        app.UseEnvelope();
        app.UseDocumentPages();
        app.UseRouting();
        app.UseCors();
        app.UseAuthentication();
        app.Use(CountAsync);
        // A socket lasts as long as it lasts.
        app.UseWhen(http => !http.WebSockets.IsWebSocketRequest, usual => usual.UseRequestTimeouts());
        app.UseAuthorization();
    }

    static Task SayHeadersAsync(HttpContext http, RequestDelegate next)
    {
        http.Response.OnStarting(() =>
        {
            var headers = http.Response.Headers;
            headers.XContentTypeOptions = "nosniff";
            headers.XFrameOptions = "DENY";
            headers["Referrer-Policy"] = "no-referrer";
            headers.ContentSecurityPolicy = "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; style-src 'self' 'unsafe-inline'; connect-src 'self' ws: wss:; frame-ancestors 'none'; base-uri 'none'";
            if (http.Request.IsHttps) headers.StrictTransportSecurity = "max-age=31536000";
            if (http.Response.StatusCode == StatusCodes.Status503ServiceUnavailable && headers.RetryAfter.Count == 0) headers.RetryAfter = "5";
            // Answers are for the one who asked, and may be different the next time.
            if (headers.CacheControl.Count == 0) headers.CacheControl = http.Request.Path.StartsWithSegments("/v1/auth") ? "no-store" : "private, no-cache";
            return Task.CompletedTask;
        });
        return next(http);
    }

    // The path is written escaped, and without the query: that may hold a token, this a line break.
    static async Task TellRefusalsAsync(HttpContext http, RequestDelegate next)
    {
        var trace = Refuse.TraceId;
        await next(http);
        if (http.Response.StatusCode >= 400)
            http.RequestServices.GetRequiredService<ILogger<RateCount>>().LogInformation("{Method} {Path} was refused with {Status} (trace {TraceId})", http.Request.Method, http.Request.Path.ToUriComponent(), http.Response.StatusCode, trace);
    }

    static async Task CountAsync(HttpContext http, RequestDelegate next)
    {
        var rate = http.Features.Get<Caller>()?.ApiKeyId is null ? http.GetEndpoint()?.Metadata.GetMetadata<Rate>() ?? Rate.Usual : Rate.Programs;
        // Nodes are ours, and many may share an address.
        if (http.User.IsInRole(TokenAuthentication.Node) || http.RequestServices.GetRequiredService<RateCount>().Take(rate, Who(http)) is not { } wait)
        {
            await next(http);
            return;
        }
        http.Response.Headers.RetryAfter = $"{Math.Max(1, (int)Math.Ceiling(wait.TotalSeconds))}";
        await Refuse.With(StatusCodes.Status429TooManyRequests, "RATE_LIMIT", $"More than {rate.Calls} calls in {rate.Per.TotalSeconds} s. Wait, then go on.").ExecuteAsync(http);
    }

    static string Who(HttpContext http) => http.Features.Get<Caller>() is { } caller ? $"{caller.TenantId} {caller.Name}" : http.Connection.RemoteIpAddress?.ToString() ?? "";
}

/// <summary>Counts calls in windows of time, for this process.</summary>
sealed class RateCount(RateSettings settings, TimeProvider clock)
{
    const int MostCounts = 100_000;

    readonly ConcurrentDictionary<(string, string), Count> _counts = new();

    sealed class Count
    {
        public DateTimeOffset Until;
        public long Calls;
    }

    /// <returns>Null: go on. Else how long to wait.</returns>
    public TimeSpan? Take(Rate rate, string who)
    {
        var now = clock.GetUtcNow();
        if (_counts.Count > MostCounts)
            foreach (var (key, old) in _counts)
                if (old.Until <= now) _counts.TryRemove(key, out _);
        var count = _counts.GetOrAdd((rate.Name, who), _ => new Count());
        lock (count)
        {
            if (count.Until <= now) (count.Until, count.Calls) = (now + rate.Per, 0);
            return ++count.Calls > rate.Calls * settings.Factor ? count.Until - now : null;
        }
    }
}
