using System.Collections.Concurrent;
using System.Text.Json;
using FlatRender.Contracts;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace FlatRender.StandIn;

/// <summary>The other side of the public REST, without any rendering: a job goes on by a step each time it is looked at. What it does is said by a render's inputs: "refuse", "fail", "wait".</summary>
public sealed class StandInHost : IAsyncDisposable
{
    readonly WebApplication _app;
    readonly ConcurrentDictionary<Guid, RenderView> _jobs = new();
    readonly ConcurrentDictionary<Guid, NewRender> _asked = new();

    StandInHost(WebApplication app) => _app = app;

    public string Url => _app.Urls.First();

    /// <summary>The template that came last.</summary>
    public JsonElement Bundle { get; private set; }

    public IReadOnlyCollection<NewRender> Asked => [.. _asked.Values];
    public IReadOnlyCollection<RenderView> Jobs => [.. _jobs.Values];

    public static async Task<StandInHost> StartAsync(string url, string token)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls(url);
        builder.WebHost.ConfigureKestrel(k => k.Limits.MaxRequestBodySize = 1 << 28);
        builder.Services.ConfigureHttpJsonOptions(o => Wire.Configure(o.SerializerOptions));
        var host = new StandInHost(builder.Build());
        host.Map(token);
        await host._app.StartAsync();
        return host;
    }

    public Task WaitForShutdownAsync() => _app.WaitForShutdownAsync();

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    void Map(string token)
    {
        _app.UseExceptionHandler(failed => failed.Run(http => http.Response.WriteAsync(http.Features.Get<IExceptionHandlerFeature>()!.Error.Message)));
        _app.MapGet("/health/ready", () => Results.Ok());
        var v1 = _app.MapGroup("/v1").AddEndpointFilter(async (call, next) =>
            call.HttpContext.Request.Headers.Authorization == $"Bearer {token}" ? await next(call) : Refused(401, "UNAUTHENTICATED", "The token is not known."));
        v1.MapPost("/templates", (JsonElement bundle) =>
        {
            Bundle = bundle;
            return Results.Json(new TemplateView(new(Ids.New()), bundle.GetProperty("name").GetString()!, "digest", DateTimeOffset.UnixEpoch), Wire.Json, statusCode: 201);
        });
        v1.MapPost("/renders", Submit);
        v1.MapGet("/renders", () => new Page<RenderView>([.. _jobs.Values], 1, 20, _jobs.Count));
        v1.MapGet("/renders/{id}", (Guid id) => _jobs.TryGetValue(id, out var view) ? Results.Json(_jobs[id] = Next(view), Wire.Json) : Refused(404, "NOT_FOUND", $"Render {id} does not exist."));
        v1.MapPost("/renders/{id}/cancel", (Guid id, ReasonGiven given) => _jobs[id] = _jobs[id] with { Step = Step.Cancelled, Reason = given.Reason! });
        v1.MapPost("/renders/{id}/retry", (Guid id, ReasonGiven given) => _jobs[id] = _jobs[id] with { Step = Step.Queued, Reason = given.Reason! });
        v1.MapGet("/renders/{id}/events", (Guid id) => new Page<TimelineEntry>([new(1, "render.job.queued.v1", DateTimeOffset.UnixEpoch, "submitted", JsonDocument.Parse("{}").RootElement)], 1, 100, 1));
        v1.MapGet("/renders/{id}/film", (Guid id) => Results.Bytes(Film(id), "video/mp4"));
    }

    static IResult Refused(int status, string code, string message, params Problem[] details) =>
        Results.Json(new ErrorEnvelope(new(code, message, details, "trace-7")), Wire.Json, statusCode: status);

    IResult Submit(NewRender ask)
    {
        if (ask.Inputs?.ContainsKey("refuse") == true)
            return Refused(422, "PREFLIGHT_FAILED", "Two things are wrong.", new Problem("title", "TOO_LONG", "has 900 characters, 80 fit"), new Problem(null, "TOO_MANY_FRAMES", "lasts 10 hours"));
        var id = Ids.New();
        _asked[id] = ask;
        return Results.Json(_jobs[id] = new RenderView(new(id), Bundle.GetProperty("name").GetString()!, Step.Queued, 0, 0, 100, null, null, 0, ask.Width ?? 640, ask.Height ?? 360, ask.Fps ?? "30", 10 / 3.0, 50, false, "submitted",
            DateTimeOffset.UnixEpoch, null, null, null, null, null, null, null, null, [new Problem("title", "FIELD_TOO_LONG", "is too long for its box")], null), Wire.Json, statusCode: 202);
    }

    RenderView Next(RenderView view) => view switch
    {
        _ when Step.IsTerminal(view.Step) => view,
        { Step: Step.Queued } => view with { Step = Step.Rendering, CurrentFrame = 50, Progress = 50, FramesPerSecond = 25, EtaSeconds = 2, Reason = "a node took it" },
        _ when Told(view, "wait") => view,
        _ when Told(view, "fail") => view with { Step = Step.Failed, ErrorCode = "AE_REPEATED_CRASH", Reason = "the engine crashed three times", TraceId = "trace-7" },
        _ => view with { Step = Step.Done, Progress = 100, CurrentFrame = 100, EtaSeconds = null, SizeBytes = Film(view.JobId.Value).Length - (Told(view, "cut") ? -1 : 0), Timing = new Dictionary<string, double> { ["plan"] = 0.5, ["render"] = 1.25 }, Reason = "the film is ready" },
    };

    bool Told(RenderView view, string what) => _asked[view.JobId.Value].Inputs?.ContainsKey(what) == true;

    byte[] Film(Guid id) => JsonSerializer.SerializeToUtf8Bytes(_asked[id].Inputs, Wire.Json);
}
