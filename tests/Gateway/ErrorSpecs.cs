using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using FlatRender.Contracts;

namespace FlatRender.Gateway.Tests;

/// <summary>Whatever goes wrong, wherever: the envelope, and a trace id that finds the log line.</summary>
public sealed class ErrorSpecs(Server server) : IClassFixture<Server>
{
    async Task<ErrorBody> FailAsync(int status, string code, HttpRequestMessage request, string? token = Server.OwnerToken)
    {
        using var http = server.Http();
        if (token is not null) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        using var answer = await http.SendAsync(request);
        var text = await answer.Content.ReadAsStringAsync();
        ((int)answer.StatusCode).ShouldBe(status, text);
        answer.Content.Headers.ContentType!.MediaType.ShouldBe("application/json");
        var error = JsonSerializer.Deserialize<ErrorEnvelope>(text, Wire.Json)!.Error;
        error.Code.ShouldBe(code, text);
        error.Message.ShouldNotBeNullOrWhiteSpace();
        await Renders.Until(() => Task.FromResult(server.Log.Lines.Any(l => l.Contains(error.TraceId, StringComparison.Ordinal) && l.Contains(request.Method.Method, StringComparison.Ordinal))), $"a log line of trace {error.TraceId}");
        text.ShouldNotContain("   at ");
        text.ShouldNotContain("Exception");
        return error;
    }

    static HttpRequestMessage Get(string path) => new(HttpMethod.Get, path);
    static HttpRequestMessage Post(string path, string body, string type = "application/json") => new(HttpMethod.Post, path) { Content = new StringContent(body, Encoding.UTF8, type) };

    [Fact]
    public async Task An_unknown_route() => await FailAsync(404, "NOT_FOUND", Get("/v1/nothing/here"));

    [Fact]
    public async Task An_unknown_route_without_a_token_tells_nothing() => await FailAsync(401, "UNAUTHORIZED", Get("/v1/nothing/here"), token: null);

    [Fact]
    public async Task A_wrong_method() => await FailAsync(405, "METHOD_NOT_ALLOWED", new HttpRequestMessage(HttpMethod.Delete, "/v1/renders"));

    [Fact]
    public async Task A_wrong_media_type() => await FailAsync(415, "UNSUPPORTED_MEDIA_TYPE", Post("/v1/projects", "name=x", "application/x-www-form-urlencoded"));

    [Theory]
    [InlineData("{")]
    [InlineData("")]
    [InlineData("{\"email\": 5}")]
    [InlineData("{\"email\": \"\\ud800\"}")]
    [InlineData("[]")]
    public async Task Malformed_json(string body) => await FailAsync(400, "BAD_REQUEST", Post("/v1/auth/login", body));

    [Fact]
    public async Task A_body_that_is_too_large()
    {
        var request = Post("/v1/auth/login", $"{{\"email\":\"{new string('x', 9 << 20)}\"}}");
        // Asks first, so that the answer is not lost among bytes that nobody reads.
        request.Headers.ExpectContinue = true;
        await FailAsync(413, "TOO_LARGE", request);
    }

    [Fact]
    public async Task A_missing_thing() => await FailAsync(404, "NOT_FOUND", Get($"/v1/renders/{Ids.New()}"));

    [Fact]
    public async Task An_id_that_is_none() => await FailAsync(400, "BAD_REQUEST", Get("/v1/renders/not-an-id"));

    [Fact]
    public async Task A_text_that_cannot_be_stored() => await FailAsync(400, "BAD_TEXT", Get("/v1/renders?title=%00"));

    [Fact]
    public async Task A_path_that_would_write_lines_of_its_own_into_the_log()
    {
        await FailAsync(404, "NOT_FOUND", Get("/v1/x%0aError%20all%20is%20lost"));
        server.Log.Lines.ShouldNotContain(l => l.Contains('\n') && l.Contains("all is lost", StringComparison.Ordinal) && !l.Contains("%0", StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public async Task A_fault_of_ours_says_so_and_no_more()
    {
        await ExecuteAsync("ALTER TABLE identity.api_keys RENAME TO api_keys_gone");
        try
        {
            var error = await FailAsync(500, "INTERNAL", Get("/v1/api-keys"));
            error.Message.ShouldNotContain("api_keys");
        }
        finally
        {
            await ExecuteAsync("ALTER TABLE identity.api_keys_gone RENAME TO api_keys");
        }
    }

    [Fact]
    public async Task Calling_too_often()
    {
        var strict = new Server { Rates = 1 };
        await strict.InitializeAsync();
        try
        {
            using var http = strict.Http();
            for (var i = 0; i < 30; i++) (await LoginAsync()).StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
            using var refused = await LoginAsync();
            ((int)refused.StatusCode).ShouldBe(429);
            refused.Headers.RetryAfter!.Delta!.Value.ShouldBeInRange(TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(1));
            JsonSerializer.Deserialize<ErrorEnvelope>(await refused.Content.ReadAsStringAsync(), Wire.Json)!.Error.Code.ShouldBe("RATE_LIMIT");
            // Others are not harmed, and after a minute it goes on.
            await strict.Owner().GetAsync<UserView>("/v1/auth/me");
            strict.Clock.Advance(TimeSpan.FromMinutes(1));
            (await LoginAsync()).StatusCode.ShouldBe(HttpStatusCode.Unauthorized);

            Task<HttpResponseMessage> LoginAsync() => http.SendAsync(Post("/v1/auth/login", "{}"));
        }
        finally
        {
            await strict.DisposeAsync();
        }
    }

    [Fact]
    public async Task Every_answer_carries_the_headers_that_keep_browsers_careful()
    {
        foreach (var path in new[] { "/health/live", "/v1/renders", "/v1/nothing", "/docs/index.html" })
        {
            using var answer = await server.Owner().SendAsync(HttpMethod.Get, path);
            answer.Headers.GetValues("X-Content-Type-Options").ShouldBe(["nosniff"], path);
            answer.Headers.GetValues("X-Frame-Options").ShouldBe(["DENY"], path);
            answer.Headers.GetValues("Content-Security-Policy").Single().ShouldContain("default-src 'self'", Case.Sensitive, path);
            answer.Headers.Contains("Server").ShouldBeFalse(path);
        }
        using var tokens = await server.Anonymous().SendAsync(HttpMethod.Post, "/v1/auth/login", new Credentials("nobody@example.org", "not the password"));
        tokens.Headers.CacheControl!.NoStore.ShouldBeTrue();
    }

    [Fact]
    public async Task A_page_of_another_site_may_not_call()
    {
        using var http = server.Http();
        using var answer = await http.SendAsync(new HttpRequestMessage(HttpMethod.Options, "/v1/renders") { Headers = { { "Origin", "https://evil.example" }, { "Access-Control-Request-Method", "GET" } } });
        answer.Headers.Contains("Access-Control-Allow-Origin").ShouldBeFalse();
    }

    async Task ExecuteAsync(string sql)
    {
        await using var command = server.Database.CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }
}
