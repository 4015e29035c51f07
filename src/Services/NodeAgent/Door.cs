using System.Text.Json;
using FlatRender.Contracts;
using Microsoft.AspNetCore.Http.Features;

namespace FlatRender.NodeAgent;

/// <summary>The calls an orchestrator makes: signed, small, and when refused counted and answered with the envelope.</summary>
sealed class Door(Agent agent, CallerCheck callers, Refusals refusals)
{
    public const int MaxBody = 1 << 20;
    static readonly JsonSerializerOptions Json = new(Wire.Json) { RespectRequiredConstructorParameters = true, RespectNullableAnnotations = true };

    public void Map(WebApplication app)
    {
        app.Use(Enveloped);
        app.Use(Checked);
        app.UseRouting();
        app.MapGet("/v1/health", () => Results.Json(new { status = "ok" }));
        app.MapGet("/v1/status", () => Results.Json(agent.Status(), Wire.Json));
        app.MapGet("/v1/capabilities", () => Results.Json(agent.Registration, Wire.Json));
        app.MapPost("/v1/tasks", Assign);
        app.MapDelete("/v1/tasks/{lease}", (string lease, HttpContext context) =>
            Guid.TryParse(lease, out var id) && agent.Abort(new LeaseId(id), "The orchestrator took the task back.") ? Results.NoContent() : Refusal(context, 404, "NO_SUCH_TASK", "This node does not work on that lease."));
        app.MapPost("/v1/drain", () =>
        {
            agent.Drain();
            return Results.StatusCode(202);
        });
    }

    IResult Assign(HttpContext context)
    {
        NodeTask? task;
        try
        {
            task = JsonSerializer.Deserialize<NodeTask>((byte[])context.Items[nameof(MaxBody)]!, Json);
        }
        catch (Exception e) when (e is JsonException or NotSupportedException)
        {
            return Refusal(context, 400, "BAD_TASK", $"The body is no task: {e.Message}");
        }
        if (task is null) return Refusal(context, 400, "BAD_TASK", "The body is null.");
        var problems = TaskCheck.Problems(task, agent.Registration.Engines.Keys);
        if (problems.Count > 0) return Refusal(context, 400, "BAD_TASK", problems[0].Message, problems);
        return agent.Offer(task) switch
        {
            Offered.Taken => Results.StatusCode(202),
            Offered.Busy => Refusal(context, 409, "NO_FREE_SLOT", "All slots are busy."),
            Offered.Unfit => Refusal(context, 409, "UNFIT", $"This node can take nothing now: {agent.Unfit() ?? "its disk was full"}."),
            _ => Refusal(context, 410, "DRAINING", "This node takes nothing new."),
        };
    }

    /// <summary>Reads the body once, within the limit, and lets only the orchestrator through.</summary>
    async Task Checked(HttpContext context, RequestDelegate next)
    {
        var request = context.Request;
        if (request.Path != "/v1/health")
        {
            if (request.ContentLength > MaxBody)
            {
                await Refusal(context, 413, "TOO_LARGE", $"A call has at most {MaxBody} bytes.").ExecuteAsync(context);
                return;
            }
            using var body = new MemoryStream();
            await request.Body.CopyToAsync(body, context.RequestAborted);
            var bytes = body.ToArray();
            context.Items[nameof(MaxBody)] = bytes;
            // As it stood in the request line: decoding and encoding again might not give the same text.
            var target = context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget;
            if (callers.Refuse(request.Method, target, bytes, Header(request, NodeHeaders.Signature), Header(request, NodeHeaders.Timestamp), Header(request, NodeHeaders.Nonce)) is var (code, message))
            {
                await Refusal(context, 401, code, message).ExecuteAsync(context);
                return;
            }
        }
        await next(context);
    }

    static string? Header(HttpRequest request, string name) => request.Headers.TryGetValue(name, out var values) && values.Count == 1 ? values[0] : null;

    async Task Enveloped(HttpContext context, RequestDelegate next)
    {
        try
        {
            await next(context);
            if (context.Response.HasStarted || context.Response.StatusCode is not (404 or 405)) return;
            await (context.Response.StatusCode == 404 ? Refusal(context, 404, "NOT_FOUND", "There is no such path.") : Refusal(context, 405, "METHOD_NOT_ALLOWED", $"{context.Request.Method} is not for this path.")).ExecuteAsync(context);
        }
        catch (BadHttpRequestException e) when (!context.Response.HasStarted)
        {
            await Refusal(context, e.StatusCode, e.StatusCode == 413 ? "TOO_LARGE" : e.StatusCode == 408 ? "TOO_SLOW" : "BAD_REQUEST", e.Message).ExecuteAsync(context);
        }
    }

    IResult Refusal(HttpContext context, int status, string code, string message, IReadOnlyList<Problem>? details = null)
    {
        refusals.Count(code);
        return Results.Json(new ErrorEnvelope(new ErrorBody(code, message, details ?? [], context.TraceIdentifier)), Wire.Json, statusCode: status);
    }
}
