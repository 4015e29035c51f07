using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using FlatRender.Foundation;
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
            // Before the answer leaves: who has read a refusal finds it counted.
            if (http.Request.Path.StartsWithSegments("/v1/nodes"))
                http.Response.OnStarting(() =>
                {
                    if (http.Response.StatusCode >= 400) Count(CodeOf(http.Response.StatusCode));
                    return Task.CompletedTask;
                });
            await rest(http);
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
        408 => "TOO_SLOW",
        409 => "LEASE_LOST",
        422 => "BAD_NODE",
        _ => Refuse.CodeOf(status),
    };
}
