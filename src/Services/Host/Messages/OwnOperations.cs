using System.Text.Json;
using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.Foundation;
using FlatRender.MessageAdapter;
using Microsoft.AspNetCore.Http.Features;

namespace FlatRender.Host;

/// <summary>
/// FlatRender's own operations as a microservice: a question becomes a request to the endpoint that answers it over HTTP, inside this process, through the same binding,
/// checks and code; the answer's body is what the endpoint wrote. A process serves those whose rooms are open in it.
/// </summary>
sealed class OwnOperations(IServiceScopeFactory scopes) : IMicroservice
{
    const string Key = "idempotency_key";

    Dictionary<string, (Operation Operation, Endpoint Endpoint)> _served = [];
    RequestDelegate _run = _ => Task.CompletedTask;

    public IReadOnlyCollection<string> RoutingKeys => _served.Keys;

    public void Open(WebApplication app)
    {
        var endpoints = ((IEndpointRouteBuilder)app).DataSources.SelectMany(s => s.Endpoints).Where(e => e.Metadata.GetMetadata<IEndpointNameMetadata>() is not null).ToDictionary(e => e.Metadata.GetMetadata<IEndpointNameMetadata>()!.EndpointName);
        _served = Operations.All.Where(o => endpoints.ContainsKey(o.Endpoint)).ToDictionary(o => o.RoutingKey, o => (o, endpoints[o.Endpoint]));
        var doors = ((IApplicationBuilder)app).New();
        doors.UseEnvelope();
        doors.UseAuthorization();
        doors.Run(http => http.GetEndpoint()!.RequestDelegate!(http));
        _run = doors.Build();
    }

    public async Task<Answer> AnswerAsync(Question question, CancellationToken cancel)
    {
        if (!_served.TryGetValue(question.RoutingKey, out var served)) return Answer.Error("NotFound", $"There is nothing at {question.Url}.");
        if (CallerOf(question) is not { } caller) return Answer.Error("Unauthorized", "Sign in first: send a token.");
        await using var scope = scopes.CreateAsyncScope();
        var http = new DefaultHttpContext { RequestServices = scope.ServiceProvider, RequestAborted = cancel };
        TokenAuthentication.LetIn(http, caller);
        http.SetEndpoint(served.Endpoint);
        if (!Fill(http.Request, served.Operation, question.Content)) return Answer.Error("BadRequest", "The content of this is a JSON object.");
        using var body = new MemoryStream();
        http.Response.Body = body;
        await _run(http);
        await http.Response.CompleteAsync();
        var json = body.ToArray();
        return http.Response.StatusCode < 300 ? Answer.Raw(json) : Answer.Error(TypeOf(http.Response.StatusCode), JsonDocument.Parse(json).RootElement.GetProperty("error"));
    }

    /// <summary>The broker is ours: what its messages say of their caller, the gateway has checked.</summary>
    static Caller? CallerOf(Question question)
    {
        if (!UserId.TryParse(question.UserId, out var user) || !TenantId.TryParse(question.TenantId, out var tenant)) return null;
        // flatrender.renders.read was renders:read in the token.
        string[] permissions = [.. question.Permissions.Select(p => p.Split('.')).Where(p => p is ["flatrender", _, _]).Select(p => $"{p[1]}:{p[2]}")];
        return (user, tenant) == (Caller.Owner.UserId, Caller.Owner.TenantId) ? Caller.Owner with { Permissions = permissions } : new Caller(tenant, user, [], permissions);
    }

    /// <returns>False: the content cannot be what is asked with.</returns>
    static bool Fill(HttpRequest request, Operation operation, ReadOnlyMemory<byte> content)
    {
        request.Method = operation.Asks ? "GET" : "POST";
        request.Path = "/" + operation.Url;
        var members = new Dictionary<string, JsonElement>();
        try
        {
            using var document = JsonDocument.Parse(content.IsEmpty ? "{}"u8.ToArray() : content);
            if (document.RootElement.ValueKind != JsonValueKind.Object) return false;
            foreach (var member in document.RootElement.EnumerateObject()) members[member.Name] = member.Value.Clone();
            if (members.Remove(Key, out var key)) request.Headers["Idempotency-Key"] = Text(key);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return false;
        }

        if (operation.Id is { } id)
        {
            if (!members.Remove(id, out var value)) return false;
            request.RouteValues["id"] = Text(value);
        }

        if (operation.Asks)
        {
            request.Query = new QueryCollection(members.Where(m => m.Value.ValueKind != JsonValueKind.Null).ToDictionary(m => m.Key, m => new Microsoft.Extensions.Primitives.StringValues(Text(m.Value))));
            return true;
        }

        request.ContentType = "application/json";
        var body = JsonSerializer.SerializeToUtf8Bytes(members, Wire.Json);
        (request.Body, request.ContentLength) = (new MemoryStream(body), body.Length);
        request.HttpContext.Features.Set<IHttpRequestBodyDetectionFeature>(new HasBody());
        return true;
    }

    sealed class HasBody : IHttpRequestBodyDetectionFeature
    {
        public bool CanHaveBody => true;
    }

    static string Text(JsonElement value) => value.ValueKind == JsonValueKind.String ? value.GetString()! : value.GetRawText();

    /// <summary>The error's type, for a status of the REST; the details are its envelope's error, with its own code.</summary>
    static string TypeOf(int status) => status switch
    {
        400 => "BadRequest",
        401 => "Unauthorized",
        402 => "PaymentRequired",
        403 => "Forbidden",
        404 => "NotFound",
        409 => "Conflict",
        413 => "PayloadTooLarge",
        415 or 422 => "ValidationError",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        _ => "InternalError",
    };
}

/// <summary>How the host serves them: to its own gateway, and, where there is a broker, to every gateway.</summary>
static class OwnOperationsRegistration
{
    public static void AddOwnOperations(this IServiceCollection services, ServeOptions options)
    {
        services.AddSingleton<OwnOperations>().AddSingleton<IMicroservice>(s => s.GetRequiredService<OwnOperations>());
        if (options.Deployment.InMemory) return;
        services.AddHostedService(s => new Listener(
            Brokers.Of(options.Deployment.Broker), new Listening(Operations.Exchange, [.. s.GetRequiredService<OwnOperations>().RoutingKeys], options.Concurrency),
            s.GetRequiredService<OwnOperations>(), s.GetRequiredService<TimeProvider>(), s.GetRequiredService<ILogger<Listener>>()));
    }

    public static void OpenOwnOperations(this WebApplication app) => app.Services.GetRequiredService<OwnOperations>().Open(app);
}
