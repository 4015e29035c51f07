using System.Net;
using System.Text;
using System.Text.Json;
using FlatRender.Contracts;
using FlatRender.TestKit;

namespace FlatRender.Gateway.Tests;

/// <summary>Programs of a tenant: what a key opens, and every way a call is not believed.</summary>
public sealed class SignedCallSpecs(Server server) : IClassFixture<Server>
{
    static readonly string Page = System.IO.File.ReadAllText(Path.Combine(Repository.Root, "src", "Contracts", "rest", "reseller.md"));

    static async Task<T> AskAsync<T>(Server at, HttpRequestMessage call, int status = 200)
    {
        using var client = at.Anonymous();
        using var answer = await client.SendAsync(call);
        var text = await answer.Content.ReadAsStringAsync();
        ((int)answer.StatusCode).ShouldBe(status, text);
        return JsonSerializer.Deserialize<T>(text, Wire.Json)!;
    }

    Task<T> AskAsync<T>(HttpRequestMessage call, int status = 200) => AskAsync<T>(server, call, status);

    async Task RefusedAsync(HttpRequestMessage call, string code, int status = 401)
    {
        var before = await CountAsync(code);
        (await AskAsync<ErrorEnvelope>(call, status)).Error.Code.ShouldBe(code);
        Page.ShouldContain($"| {status} | `{code}` |");
        if (status == 401) (await CountAsync(code)).ShouldBeGreaterThan(before);
    }

    async Task<long> CountAsync(string how)
    {
        using var answer = await server.Anonymous().SendAsync(HttpMethod.Get, "/metrics");
        var line = (await answer.Content.ReadAsStringAsync()).Split('\n').SingleOrDefault(l => l.StartsWith($"flatrender_signed_calls_total{{how=\"{how}\"}}", StringComparison.Ordinal));
        return line is null ? 0 : long.Parse(line[(line.LastIndexOf(' ') + 1)..], System.Globalization.CultureInfo.InvariantCulture);
    }

    static HttpRequestMessage Get(string path) => new(HttpMethod.Get, path);
    static HttpRequestMessage Post(string path, string body) => new(HttpMethod.Post, path) { Content = new StringContent(body, Encoding.UTF8, "application/json") };

    [Fact]
    public async Task A_key_opens_what_its_scopes_name_until_it_is_revoked()
    {
        var owner = await server.RegisterAsync();
        var program = await Signer.IssueAsync(server, owner, Permission.TemplatesRead);
        var accepted = await CountAsync("accepted");
        (await AskAsync<Page<TemplateView>>(program.Call(HttpMethod.Get, "/v1/templates?page=1&page_size=5"))).Total.ShouldBe(0);
        (await CountAsync("accepted")).ShouldBeGreaterThan(accepted);
        await RefusedAsync(program.Call(HttpMethod.Get, "/v1/renders"), "FORBIDDEN", 403);
        await RefusedAsync(program.Call(HttpMethod.Post, "/v1/api-keys", new NewApiKey("another", [Permission.TemplatesRead])), "FORBIDDEN", 403);
        foreach (var persons in new[] { program.Call(HttpMethod.Get, "/v1/auth/me"), program.Call(HttpMethod.Post, "/v1/auth/logout"), program.Call(HttpMethod.Post, "/v1/auth/password", new NewPassword(owner.Password, "another password")) })
            await RefusedAsync(persons, "FORBIDDEN", 403);
        (await owner.Client.GetAsync<Page<ApiKeyView>>("/v1/api-keys")).Items.Single().Secret.ShouldBeNull("it is said once");

        await owner.Client.DoAsync(HttpMethod.Delete, $"/v1/api-keys/{program.Key}");
        await RefusedAsync(program.Call(HttpMethod.Get, "/v1/templates"), "BAD_API_KEY");
        await owner.Client.DoAsync(HttpMethod.Delete, $"/v1/api-keys/{program.Key}");
        (await server.FactsAsync(program.Key)).Select(f => f.GetType()).ShouldBe([typeof(ApiKeyIssued), typeof(ApiKeyRevoked)]);
    }

    [Fact]
    public async Task A_program_submits_once_however_often_it_sends_and_the_history_names_its_key()
    {
        var owner = await server.RegisterAsync();
        var program = await Signer.IssueAsync(server, owner, Permission.TemplatesRead, Permission.TemplatesWrite, Permission.RendersRead, Permission.RendersWrite, Permission.CreditsRead);
        // Beyond what waits in memory.
        var large = $$"""{"name":"{{new string('n', 100)}}","lottie":{{Renders.Lottie}}{{new string(' ', 2 << 20)}}}""";
        var template = await AskAsync<TemplateView>(program.Call(HttpMethod.Post, "/v1/templates", new StringContent(large, Encoding.UTF8, "application/json")), 201);
        HttpRequestMessage Order() => program.Call(HttpMethod.Post, "/v1/renders", Renders.Of(template), "order 7");
        var render = await AskAsync<RenderView>(Order(), 202);
        (await AskAsync<RenderView>(Order(), 202)).JobId.ShouldBe(render.JobId);
        (await AskAsync<Page<RenderView>>(program.Call(HttpMethod.Get, "/v1/renders"))).Total.ShouldBe(1);
        await AskAsync<RenderView>(program.Call(HttpMethod.Post, $"/v1/renders/{render.JobId}/cancel", new ReasonGiven("sold out")), 202);
        await Renders.RenderWhenAsync(owner.Client, render.JobId, v => v.Step == Step.Cancelled);
        (await server.FactsAsync(render.JobId.Value)).OfType<JobCancelled>().Single().By.ShouldBe($"api key {program.Key}");
    }

    [Fact]
    public async Task What_was_altered_on_the_way_is_refused()
    {
        var program = await Signer.IssueAsync(server, await server.RegisterAsync(), Permission.ProjectsRead, Permission.ProjectsWrite, Permission.RendersRead, Permission.RendersWrite);
        const string body = """{"name":"a","template_id":"7b9d9d3c-5c1e-4f60-9c52-0f6f7d9c1a11"}""";
        foreach (var (alter, code) in new (Func<HttpRequestMessage, HttpRequestMessage>, string)[]
        {
            (r => As(r, HttpMethod.Put, r.RequestUri!, body), "BAD_SIGNATURE"),
            (r => As(r, r.Method, new Uri("/v1/renders", UriKind.Relative), body), "BAD_SIGNATURE"),
            (r => As(r, r.Method, new Uri("/v1/projects?page=2", UriKind.Relative), body), "BAD_SIGNATURE"),
            (r => As(r, r.Method, new Uri("/v1/projects/", UriKind.Relative), body), "BAD_SIGNATURE"),
            (r => As(r, r.Method, r.RequestUri!, body.Replace("\"a\"", "\"b\"", StringComparison.Ordinal)), "BODY_ALTERED"),
            (r => As(r, r.Method, r.RequestUri!, null), "BODY_ALTERED"),
            (r => With(r, "Idempotency-Key", "order 8"), "BAD_SIGNATURE"),
            (r => With(r, "Idempotency-Key", null), "BAD_SIGNATURE"),
            (r => With(r, SignedHeaders.Digest, CallSignature.DigestOf(Encoding.UTF8.GetBytes(body + " "))), "BAD_SIGNATURE"),
            (r => With(r, SignedHeaders.Nonce, Ids.New().ToString("N")), "BAD_SIGNATURE"),
            (r => With(r, SignedHeaders.Timestamp, $"{server.Clock.GetUtcNow().ToUnixTimeSeconds() + 1}"), "BAD_SIGNATURE"),
        })
            await RefusedAsync(alter(program.Signed(Post("/v1/projects", body), idempotencyKey: "order 7")), code);
        // Nothing altered, it gets as far as its template.
        (await AskAsync<ErrorEnvelope>(program.Signed(Post("/v1/projects", body), idempotencyKey: "order 7"), 422)).Error.Code.ShouldBe("BAD_PROJECT");

        static HttpRequestMessage As(HttpRequestMessage signed, HttpMethod method, Uri path, string? body)
        {
            var altered = new HttpRequestMessage(method, path) { Content = body is null ? null : new StringContent(body, Encoding.UTF8, "application/json") };
            foreach (var (name, values) in signed.Headers) altered.Headers.Add(name, values);
            return altered;
        }
    }

    static HttpRequestMessage With(HttpRequestMessage call, string header, string? value)
    {
        call.Headers.Remove(header);
        if (value is not null) call.Headers.TryAddWithoutValidation(header, value);
        return call;
    }

    [Fact]
    public async Task A_call_that_is_not_properly_signed_is_refused_whatever_else_it_brings()
    {
        var owner = await server.RegisterAsync();
        var program = await Signer.IssueAsync(server, owner, Permission.RendersRead);
        foreach (var header in SignedHeaders.All.Except([SignedHeaders.Key, SignedHeaders.Signature]))
            await RefusedAsync(With(program.Call(HttpMethod.Get, "/v1/renders"), header, null), "UNSIGNED");
        foreach (var header in new[] { SignedHeaders.Key, SignedHeaders.Signature })
            await RefusedAsync(With(With(program.Call(HttpMethod.Get, "/v1/renders"), header, null), "Authorization", $"Bearer {owner.Tokens.AccessToken}"), "UNSIGNED");
        foreach (var time in new[] { "yesterday", "-5", "1e9", "", "99999999999999999999" }) await RefusedAsync(With(program.Call(HttpMethod.Get, "/v1/renders"), SignedHeaders.Timestamp, time), "BAD_TIMESTAMP");
        foreach (var nonce in new[] { "short", new string('n', 65), "with a space in it" }) await RefusedAsync(program.Signed(Get("/v1/renders"), nonce), "BAD_NONCE");
        foreach (var key in new[] { "no id", $"{Ids.New()}", program.Secret }) await RefusedAsync(With(program.Call(HttpMethod.Get, "/v1/renders"), SignedHeaders.Key, key), "BAD_API_KEY");
        await RefusedAsync((program with { Secret = program.Secret + "x" }).Call(HttpMethod.Get, "/v1/renders"), "BAD_SIGNATURE");
        // Another tenant's secret under this key, and the secret itself where it never belongs.
        var other = await Signer.IssueAsync(server, await server.RegisterAsync(), Permission.RendersRead);
        await RefusedAsync((program with { Secret = other.Secret }).Call(HttpMethod.Get, "/v1/renders"), "BAD_SIGNATURE");
        await server.With(program.Secret).RefusedAsync(HttpMethod.Get, "/v1/renders", null, 401);
    }

    [Fact]
    public async Task A_call_is_believed_for_five_minutes_and_once_also_at_another_gateway()
    {
        var program = await Signer.IssueAsync(server, await server.RegisterAsync(), Permission.RendersRead);
        foreach (var off in new[] { -300, 300 }) await AskAsync<Page<RenderView>>(program.Signed(Get("/v1/renders"), off: TimeSpan.FromSeconds(off)));
        foreach (var off in new[] { -301, 301 }) await RefusedAsync(program.Signed(Get("/v1/renders"), off: TimeSpan.FromSeconds(off)), "CLOCK_SKEW");

        var beside = new Server { Beside = server };
        await beside.InitializeAsync();
        try
        {
            // Its clock is its own: it says the same time still.
            var nonce = Ids.New().ToString("N");
            await AskAsync<Page<RenderView>>(program.Signed(Get("/v1/renders"), nonce));
            await RefusedAsync(program.Signed(Get("/v1/renders"), nonce), "REPLAYED");
            (await AskAsync<ErrorEnvelope>(beside, (program with { Clock = beside.Clock }).Signed(Get("/v1/renders"), nonce), 401)).Error.Code.ShouldBe("REPLAYED");
        }
        finally
        {
            await beside.DisposeAsync();
        }
    }

    [Fact]
    public async Task A_nonce_is_remembered_for_as_long_as_its_call_could_be_believed_and_no_longer()
    {
        var own = new Server();
        await own.InitializeAsync();
        try
        {
            var program = await Signer.IssueAsync(own, await own.RegisterAsync(), Permission.RendersRead);
            var nonce = Ids.New().ToString("N");
            await AskAsync<Page<RenderView>>(own, program.Signed(Get("/v1/renders"), nonce, TimeSpan.FromMinutes(5)));
            own.Clock.Advance(TimeSpan.FromMinutes(10));
            (await AskAsync<ErrorEnvelope>(own, program.Signed(Get("/v1/renders"), nonce, TimeSpan.FromMinutes(-5)), 401)).Error.Code.ShouldBe("REPLAYED");
            own.Clock.Advance(TimeSpan.FromMinutes(1));
            await AskAsync<Page<RenderView>>(own, program.Call(HttpMethod.Get, "/v1/renders"));
            await using var left = own.Database.CreateCommand("SELECT count(*) FROM access.nonces");
            (await left.ExecuteScalarAsync()).ShouldBe(1L, "old ones are swept");
        }
        finally
        {
            await own.DisposeAsync();
        }
    }

    [Fact]
    public async Task A_body_beyond_its_endpoints_limit_is_refused_before_its_handler()
    {
        var program = await Signer.IssueAsync(server, await server.RegisterAsync(), Permission.RendersRead, Permission.RendersWrite);
        var call = program.Signed(Post($"/v1/renders/{Ids.New()}/cancel", $"{{\"reason\":\"{new string('x', 9 << 20)}\"}}"));
        call.Headers.ExpectContinue = true;
        using var http = server.Http();
        using var answer = await http.SendAsync(call);
        answer.StatusCode.ShouldBe(HttpStatusCode.RequestEntityTooLarge);
        (await answer.Content.ReadAsStringAsync()).ShouldContain("\"TOO_LARGE\"");
    }

    [Fact]
    public async Task A_key_that_calls_too_often_waits_and_its_owner_does_not()
    {
        var strict = new Server { Rates = 0.01 };
        await strict.InitializeAsync();
        try
        {
            // The installation's owner; who registers is counted by address.
            var owner = new Person("", "", new SignedIn("", "", 0, "", null!), strict.Owner());
            var (one, other) = (await Signer.IssueAsync(strict, owner, Permission.RendersRead), await Signer.IssueAsync(strict, owner, Permission.RendersRead));
            for (var i = 0; i < 6; i++) await AskAsync<Page<RenderView>>(strict, one.Call(HttpMethod.Get, "/v1/renders"));
            using var client = strict.Anonymous();
            using var refused = await client.SendAsync(one.Call(HttpMethod.Get, "/v1/renders"));
            refused.StatusCode.ShouldBe(HttpStatusCode.TooManyRequests);
            refused.Headers.RetryAfter!.Delta.ShouldBe(TimeSpan.FromMinutes(1));
            (await refused.Content.ReadAsStringAsync()).ShouldContain("\"RATE_LIMIT\"");
            await AskAsync<Page<RenderView>>(strict, other.Call(HttpMethod.Get, "/v1/renders"));
            await owner.Client.GetAsync<Page<RenderView>>("/v1/renders");
            strict.Clock.Advance(TimeSpan.FromMinutes(1));
            await AskAsync<Page<RenderView>>(strict, one.Call(HttpMethod.Get, "/v1/renders"));
        }
        finally
        {
            await strict.DisposeAsync();
        }
    }
}
