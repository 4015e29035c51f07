using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using FlatRender.Contracts;
using FlatRender.TestKit;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace FlatRender.Gateway.Tests;

/// <summary>With the database away, every door says so at once or after the patience it has, and opens again by itself.</summary>
public sealed partial class AwaySpecs : IAsyncLifetime
{
    readonly Cable _cable;
    readonly Server _server;

    public AwaySpecs()
    {
        var at = new NpgsqlConnectionStringBuilder(TestDatabase.ConnectionString);
        _cable = new Cable($"postgres://{at.Host}:{at.Port}");
        _server = new Server { Cable = _cable };
    }

    public Task InitializeAsync() => _server.InitializeAsync();

    public async Task DisposeAsync()
    {
        _cable.PlugIn();
        await _server.DisposeAsync();
        await _cable.DisposeAsync();
    }

    /// <summary>What needs no database: files are on disk, and the key that signs is known. One socket is told with a close code, the other with each message.</summary>
    static readonly string[] Without = ["GET /health/live", "GET /metrics", "GET /openapi/{folder}/{file}", "GET /v1/files/{digest}", "PUT /v1/files/{digest}", "POST /v1/support/service-tokens", "GET /ws/v1/messages", "GET /ws/v1/render/{job_id}"];

    sealed record Call(string Method, string Template, string Type)
    {
        public override string ToString() => $"{Method} {Template}";
    }

    Call[] Calls => [.. _server.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
        .SelectMany(e => (e.Metadata.GetMetadata<IHttpMethodMetadata>()?.HttpMethods ?? ["GET"]).Select(m => new Call(m, "/" + Constraint().Replace(e.RoutePattern.RawText!.Trim('/'), "}"), e.Metadata.GetMetadata<Microsoft.AspNetCore.Http.Metadata.IAcceptsMetadata>()?.ContentTypes[0] ?? "application/json")))
        .DistinctBy(c => c.ToString()).Where(c => !Without.Contains(c.ToString())).OrderBy(c => c.ToString(), StringComparer.Ordinal)];

    [Fact]
    public async Task Every_door_says_that_the_database_is_away_and_opens_again_by_itself()
    {
        var one = await _server.RegisterAsync();
        var template = await Renders.UploadAsync(one.Client);
        var calls = Calls;
        calls.Length.ShouldBeGreaterThan(40);

        _cable.PullOut();
        var away = await Task.WhenAll(calls.Select(async call => (Call: call, Answer: await TryAsync(call, one.Tokens.AccessToken, template))));
        away.Where(a => a.Answer.Status != 503).Select(a => $"{a.Call} -> {a.Answer.Status} {a.Answer.Body}").ShouldBeEmpty();
        foreach (var (call, answer) in away)
        {
            answer.RetryAfter.ShouldNotBeNull($"{call}: when to come again");
            var error = JsonSerializer.Deserialize<ErrorEnvelope>(answer.Body, Wire.Json)!.Error;
            error.Code.ShouldBe("UNAVAILABLE", $"{call}");
            await Renders.Until(() => Task.FromResult(_server.Log.Lines.Any(l => l.Contains(error.TraceId, StringComparison.Ordinal) && l.Contains("503", StringComparison.Ordinal))), $"a log line of {call}, trace {error.TraceId}");
        }

        _cable.PlugIn();
        using var anonymous = _server.Anonymous();
        await Renders.Until(async () =>
        {
            using var ready = await anonymous.SendAsync(HttpMethod.Get, "/health/ready");
            return (int)ready.StatusCode == 200;
        }, "it is ready again");
        // Who comes again, as told, is served; what runs behind the doors may need a moment more than they.
        await Task.WhenAll(calls.Where(c => c.Template != "/v1/auth/logout").Select(call => Renders.Until(async () => (await TryAsync(call, one.Tokens.AccessToken, template)).Status is var status && (status < 500 || (status == 503 ? false : throw new InvalidOperationException($"{call} -> {status}"))), $"{call} is served again")));
        await one.Client.AskAsync<RenderView>(HttpMethod.Post, "/v1/renders", Renders.Of(template), 202);
    }

    async Task<(int Status, string Body, TimeSpan? RetryAfter)> TryAsync(Call call, string token, TemplateView template)
    {
        if (call.Template.StartsWith("/v1/support", StringComparison.Ordinal)) token = Server.OwnerToken;
        else if (ForNodes(call.Template)) token = Server.NodeToken;
        using var http = _server.Http();
        using var request = new HttpRequestMessage(new HttpMethod(call.Method), Address(call));
        request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {token}");
        if (call.Method is "POST" or "PUT") request.Content = new StringContent(Body(call, template), Encoding.UTF8, call.Type);
        using var answer = await http.SendAsync(request);
        return ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync(), answer.Headers.RetryAfter?.Delta);
    }

    static bool ForNodes(string template) => template.StartsWith("/v1/nodes", StringComparison.Ordinal) || template.StartsWith("/v1/files", StringComparison.Ordinal);

    static string Address(Call call) => Placeholder().Replace(call.Template, Ids.New().ToString()) + (call.ToString() == "GET /v1/support/search" ? "?q=render" : "");

    /// <summary>Good, so that nothing is wrong but the database.</summary>
    static string Body(Call call, TemplateView template) => call.ToString() switch
    {
        "POST /v1/auth/register" => $$"""{"email":"{{Ids.New()}}@example.org","password":"a long password","name":"Jo"}""",
        "POST /v1/auth/login" => """{"email":"jo@example.org","password":"a long password"}""",
        "POST /v1/auth/refresh" => """{"refresh_token":"frr_0123456789"}""",
        "POST /v1/auth/password" => """{"current":"not the password","new":"another password"}""",
        "POST /v1/users" => $$"""{"email":"{{Ids.New()}}@example.org","password":"a long password","name":"Kim","roles":["member"]}""",
        "PUT /v1/users/{id}/roles" => """{"roles":["member"]}""",
        "POST /v1/api-keys" => """{"name":"ci","scopes":["renders:read"]}""",
        "POST /v1/webhooks" => """{"url":"https://127.0.0.1:1/told"}""",
        "POST /v1/templates" => """{"name":"a card","lottie":{"v":"5.7.0","layers":[]}}""",
        "POST /v1/renders" => $$"""{"template_id":"{{template.TemplateId}}"}""",
        "POST /v1/projects" or "PUT /v1/projects/{id}" => $$"""{"name":"Nowruz","template_id":"{{template.TemplateId}}"}""",
        "POST /v1/support/tenants/{id}/credits" => """{"amount_minor":5,"key":"k","reason":"paid"}""",
        "PUT /v1/support/tenants/{id}/quota" => """{"max_active_renders":5,"reason":"so"}""",
        "PUT /v1/support/limits" => """{"scope":"tenant","slots":5,"reason":"so"}""",
        "POST /v1/nodes" => $$$"""{"node_id":"{{{Ids.New()}}}","name":"n","url":"http://127.0.0.1:1","slots":1,"engines":{"skottie":"1"},"tags":[],"version":"0"}""",
        "POST /v1/nodes/{id}/heartbeat" => """{"tasks":[],"memory_bytes":0}""",
        "POST /v1/nodes/{id}/progress" => $$"""{"lease_id":"{{Ids.New()}}","epoch":1,"done":1,"frames_per_second":1}""",
        "POST /v1/nodes/{id}/results" => $$$"""{"outcome":"failed","lease_id":"{{{Ids.New()}}}","epoch":1,"code":"ENGINE_CRASHED","reason":"so","times":{"fetch":0,"start":0,"draw":0,"encode":0,"check":0,"store":0,"cpu":0}}""",
        _ => """{"reason":"so"}""",
    };

    [GeneratedRegex(@":[a-z]+\}")]
    private static partial Regex Constraint();

    [GeneratedRegex(@"\{[^}]+\}")]
    private static partial Regex Placeholder();
}
