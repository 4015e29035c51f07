using System.Diagnostics;
using System.Text.Json;
using FlatRender.Contracts;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace FlatRender.Foundation;

/// <summary>Refusals as values: each is a result with the standard envelope.</summary>
public static class Refuse
{
    public static IResult NotFound(string what) => With(StatusCodes.Status404NotFound, "NOT_FOUND", $"{what} does not exist.");
    public static IResult Invalid(string code, string message, params IEnumerable<Problem> details) => With(StatusCodes.Status422UnprocessableEntity, code, message, details);
    public static IResult Conflict(string code, string message) => With(StatusCodes.Status409Conflict, code, message);
    public static IResult Unavailable(string message) => With(StatusCodes.Status503ServiceUnavailable, "UNAVAILABLE", message);

    public static IResult With(int status, string code, string message, params IEnumerable<Problem> details) =>
        Results.Json(Envelope(code, message, details), Wire.Json, "application/json", status);

    public static ErrorEnvelope Envelope(string code, string message, params IEnumerable<Problem> details) => new(new ErrorBody(code, message, [.. details], TraceId));

    /// <summary>The trace the caller can name; log lines carry the same.</summary>
    public static string TraceId => Activity.Current?.TraceId.ToString() ?? ActivityTraceId.CreateRandom().ToString();

    /// <summary>Gives every refusal that has no body yet (404, 405, 413, 415, ...) and every unexpected failure (500) the envelope.</summary>
    public static void UseEnvelope(this IApplicationBuilder app)
    {
        app.UseExceptionHandler(handler => handler.Run(AnswerFailureAsync));
        app.UseStatusCodePages(context => WriteAsync(context.HttpContext, context.HttpContext.Response.StatusCode, CodeOf(context.HttpContext.Response.StatusCode), SentenceOf(context.HttpContext)));
        // A file says its type before it finds that there is no such range.
        app.Use(async (http, next) =>
        {
            await next(http);
            if (http.Response is { StatusCode: StatusCodes.Status416RangeNotSatisfiable, HasStarted: false }) (http.Response.ContentType, http.Response.ContentLength) = (null, null);
        });
    }

    static Task AnswerFailureAsync(HttpContext http)
    {
        var failure = http.Features.Get<IExceptionHandlerFeature>()!.Error;
        if (failure is BadHttpRequestException bad)
        {
            var tooLarge = bad.StatusCode == StatusCodes.Status413PayloadTooLarge;
            var unreadable = bad.InnerException is JsonException json ? $"The body is not the JSON that is expected here{(json.Path is { Length: > 0 } path ? $" (at {path})" : "")}." : bad.Message;
            return WriteAsync(http, bad.StatusCode, CodeOf(bad.StatusCode), tooLarge ? "The body is too large." : unreadable);
        }

        // A text that PostgreSQL cannot hold: U+0000, or half a character.
        if (failure is Npgsql.PostgresException { SqlState: "22021" or "22P05" or "22P02" }) return WriteAsync(http, StatusCodes.Status400BadRequest, "BAD_TEXT", "A text holds a character that cannot be stored.");

        if (Away.Is(failure))
        {
            http.Response.Headers.RetryAfter = "5";
            http.RequestServices.GetRequiredService<ILogger<ErrorEnvelope>>().LogWarning(failure, "{Method} {Path}: the database, the broker or another part is away (trace {TraceId})", http.Request.Method, http.Request.Path.ToUriComponent(), TraceId);
            return WriteAsync(http, StatusCodes.Status503ServiceUnavailable, "UNAVAILABLE", "A part this needs is away for the moment; nothing was changed. Try again soon.");
        }

        http.RequestServices.GetRequiredService<ILogger<ErrorEnvelope>>().LogError(failure, "{Method} {Path} failed (trace {TraceId})", http.Request.Method, http.Request.Path.ToUriComponent(), TraceId);
        return WriteAsync(http, StatusCodes.Status500InternalServerError, "INTERNAL", "Something of ours went wrong; the trace id finds it.");
    }

    static Task WriteAsync(HttpContext http, int status, string code, string message)
    {
        http.Response.StatusCode = status;
        return http.Response.WriteAsJsonAsync(Envelope(code, message), Wire.Json, http.RequestAborted);
    }

    /// <summary>The envelope's code for a status that nobody gave a better one.</summary>
    public static string CodeOf(int status) => status switch
    {
        400 => "BAD_REQUEST",
        401 => "UNAUTHORIZED",
        402 => "INSUFFICIENT_CREDITS",
        403 => "FORBIDDEN",
        404 => "NOT_FOUND",
        405 => "METHOD_NOT_ALLOWED",
        413 => "TOO_LARGE",
        415 => "UNSUPPORTED_MEDIA_TYPE",
        416 => "RANGE_NOT_SATISFIABLE",
        429 => "RATE_LIMIT",
        _ => $"HTTP_{status}",
    };

    static string SentenceOf(HttpContext http) => http.Response.StatusCode switch
    {
        401 => "Sign in first: send a bearer token.",
        403 => "You may not do this.",
        404 => $"There is nothing at {http.Request.Path}.",
        405 => $"{http.Request.Method} is not a method of {http.Request.Path}.",
        413 => "The body is too large.",
        415 => "Send application/json; files go as application/octet-stream.",
        var status => $"The request was refused with status {status}.",
    };
}
