using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;

namespace FlatRender.Render;

/// <summary>Counts the calls at the nodes' door that were refused, for whatever reason and by whatever part of the house.</summary>
sealed class DoorTally : IStartupFilter
{
    static readonly Meter Meter = new("FlatRender.Render");
    static readonly Counter<long> RefusedCalls = Meter.CreateCounter<long>("flatrender.farm.calls.refused", description: "Calls of nodes that were refused, by reason.");

    readonly ConcurrentDictionary<string, long> _refused = new();

    public IReadOnlyDictionary<string, long> Refused => new SortedDictionary<string, long>(_refused);

    public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
    {
        app.Use(async (http, rest) =>
        {
            await rest(http);
            if (http.Response.StatusCode >= 400 && http.Request.Path.StartsWithSegments("/v1/nodes")) Count(CodeOf(http.Response.StatusCode));
        });
        next(app);
    };

    void Count(string code)
    {
        _refused.AddOrUpdate(code, 1, (_, n) => n + 1);
        RefusedCalls.Add(1, new KeyValuePair<string, object?>("code", code));
    }

    static string CodeOf(int status) => status switch
    {
        400 => "BAD_REQUEST",
        401 => "UNAUTHORIZED",
        403 => "FORBIDDEN",
        404 => "NOT_FOUND",
        405 => "METHOD_NOT_ALLOWED",
        408 => "TOO_SLOW",
        409 => "LEASE_LOST",
        413 => "TOO_LARGE",
        415 => "UNSUPPORTED_MEDIA_TYPE",
        422 => "BAD_NODE",
        429 => "RATE_LIMIT",
        _ => $"HTTP_{status}",
    };
}
