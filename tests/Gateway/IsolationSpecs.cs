using System.Text;
using System.Text.RegularExpressions;
using FlatRender.Contracts;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace FlatRender.Gateway.Tests;

/// <summary>Every endpoint the running server has, tried by everybody who may not. The list is the server's own: a new endpoint cannot be forgotten.</summary>
public sealed partial class IsolationSpecs(Server server) : IClassFixture<Server>
{
    /// <summary>What anybody may call, and nothing else.</summary>
    static readonly string[] Open = ["GET /.well-known/jwks.json", "GET /health/live", "GET /health/ready", "GET /metrics", "GET /openapi/{folder}/{file}", "GET /ws/v1/messages", "GET /ws/v1/render/{job_id}", "POST /v1/auth/login", "POST /v1/auth/refresh", "POST /v1/auth/register"];

    /// <summary>What a program may reach at all.</summary>
    static readonly string[] Resold = ["/v1/renders", "/v1/templates", "/v1/projects", "/v1/snapshots", "/v1/credits", "/v1/webhooks", "/v1/deliveries"];

    const string Mark = "the victim's own words";

    sealed record Call(string Method, string Template, bool IsOpen, string Type)
    {
        public override string ToString() => $"{Method} {Template}";
        public bool Addressed => Template.Contains('{');
    }

    Call[] Calls => [.. server.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
        .SelectMany(e => (e.Metadata.GetMetadata<IHttpMethodMetadata>()?.HttpMethods ?? ["GET"]).Select(m => new Call(m, "/" + Constraint().Replace(e.RoutePattern.RawText!.Trim('/'), "}"), e.Metadata.GetMetadata<IAllowAnonymous>() is not null, e.Metadata.GetMetadata<Microsoft.AspNetCore.Http.Metadata.IAcceptsMetadata>()?.ContentTypes[0] ?? "application/json")))
        .DistinctBy(c => c.ToString()).OrderBy(c => c.ToString(), StringComparer.Ordinal)];

    [Fact]
    public void Only_what_stands_here_is_open_to_everybody() => Calls.Where(c => c.IsOpen).Select(c => c.ToString()).ShouldBe(Open);

    [Fact]
    public async Task Without_a_good_token_nothing_opens()
    {
        var one = await server.RegisterAsync();
        var parts = one.Tokens.AccessToken.Split('.');
        string?[] bad = [null, "", "nonsense", new string('x', 20_000), $"{parts[0]}.{parts[1]}.", $"{parts[0]}.{parts[1]}.{new string('A', 86)}", one.Tokens.RefreshToken, "frk_nonsense", Server.OwnerToken + "x"];
        foreach (var call in Calls.Where(c => !c.IsOpen))
            foreach (var token in bad)
            {
                var (status, _) = await TryAsync(call, token, new Victim());
                status.ShouldBe(401, $"{call} with {token?[..Math.Min(token.Length, 20)] ?? "no token"}");
            }

        var program = await Signer.IssueAsync(server, one, Permission.Scopes);
        foreach (var call in Calls.Where(c => !c.IsOpen))
            foreach (var stranger in new[] { program with { Key = Ids.New() }, program with { Secret = "frk_nonsense" } })
                (await TryAsync(call, null, new Victim(), stranger)).Status.ShouldBe(401, $"{call} with {stranger.Key} {stranger.Secret}");

        server.Clock.Advance(TimeSpan.FromMinutes(15));
        foreach (var call in Calls.Where(c => !c.IsOpen)) (await TryAsync(call, one.Tokens.AccessToken, new Victim())).Status.ShouldBe(401, $"{call} with an expired token");
    }

    [Fact]
    public async Task Another_tenants_owner_and_its_programs_get_nothing_of_it_and_change_nothing()
    {
        var victim = await Victim.MakeAsync(server);
        var before = await victim.StateAsync();
        var thief = await server.RegisterAsync();
        var program = await Signer.IssueAsync(server, thief, Permission.Scopes);
        var calls = Calls.Where(c => !c.IsOpen).ToArray();
        calls.Count(c => c.Addressed).ShouldBeGreaterThan(20);
        foreach (var call in calls)
        {
            // Whoever signs out is out.
            var who = call.Template == "/v1/auth/logout" ? await server.RegisterAsync() : thief;
            foreach (var signer in new[] { null, program })
            {
                var (status, body) = await TryAsync(call, signer is null ? who.Tokens.AccessToken : null, victim, signer);
                foreach (var mark in victim.Marks.Where(m => !call.ToString().Contains(m, StringComparison.Ordinal)))
                    if (status is < 400 or >= 500) body.ShouldNotContain(mark, Case.Insensitive, $"{call} -> {status}");
                body.ShouldNotContain(Mark, Case.Sensitive, $"{call} -> {status}");
                if (call.Addressed || signer is not null && !Resold.Any(call.Template.StartsWith)) (status is 400 or 401 or 403 or 404).ShouldBeTrue($"{call} -> {status} {body}");
                (status < 500).ShouldBeTrue($"{call} -> {status} {body}");
            }
        }
        (await victim.StateAsync()).ShouldBe(before);
    }

    [Fact]
    public async Task Who_lacks_the_role_is_refused_everywhere_it_is_asked_for()
    {
        var auditor = await AddAsync(Role.Auditor);
        var support = await AddAsync(Role.Support);
        var owner = await server.RegisterAsync();
        var small = await Signer.IssueAsync(server, owner, Permission.CreditsRead);
        foreach (var call in Calls.Where(c => !c.IsOpen && !c.Template.StartsWith("/v1/auth", StringComparison.Ordinal) && c.Template.StartsWith("/v1/", StringComparison.Ordinal)))
        {
            var forSupport = call.Template.StartsWith("/v1/support", StringComparison.Ordinal);
            var forNodes = call.Template.StartsWith("/v1/nodes", StringComparison.Ordinal) || call.Template.StartsWith("/v1/files", StringComparison.Ordinal);
            if (!(forSupport && call.Method == "GET")) await RefusedAsync(call, auditor, "an auditor");
            if (!forSupport) await RefusedAsync(call, support, "support");
            if (forSupport || forNodes) await RefusedAsync(call, owner.Tokens.AccessToken, "a tenant's owner");
            if (!call.Template.StartsWith("/v1/credits", StringComparison.Ordinal)) await RefusedAsync(call, null, "an API key for credits", small);
            if (!forNodes) await RefusedAsync(call, Server.NodeToken, "a node");
        }

        async Task RefusedAsync(Call call, string? token, string who, Signer? signer = null) => (await TryAsync(call, token, new Victim(), signer)).Status.ShouldBe(403, $"{call} by {who}");

        async Task<string> AddAsync(string role)
        {
            var email = $"{Ids.New():N}@example.org";
            await server.Owner().AskAsync<UserView>(HttpMethod.Post, "/v1/users", new NewUser(email, "a long password", "Kim", [role]), 201);
            return (await server.Anonymous().AskAsync<SignedIn>(HttpMethod.Post, "/v1/auth/login", new Credentials(email, "a long password"))).AccessToken;
        }
    }

    async Task<(int Status, string Body)> TryAsync(Call call, string? token, Victim victim, Signer? signer = null)
    {
        using var http = server.Http();
        using var request = new HttpRequestMessage(new HttpMethod(call.Method), victim.Address(call.Template));
        if (token is not null) request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {token}");
        if (call.Method is "POST" or "PUT") request.Content = new StringContent(Body(call.Template), Encoding.UTF8, call.Type);
        signer?.Signed(request);
        using var answer = await http.SendAsync(request);
        return ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }

    // Good enough to get past the first look.
    static string Body(string template) => template switch
    {
        _ when template.EndsWith("/roles", StringComparison.Ordinal) => """{"roles":["member"]}""",
        _ when template.StartsWith("/v1/projects/", StringComparison.Ordinal) => """{"name":"mine now","template_id":"7b9d9d3c-5c1e-4f60-9c52-0f6f7d9c1a11"}""",
        _ when template.EndsWith("/credits", StringComparison.Ordinal) => """{"amount_minor":5,"key":"k","reason":"mine now"}""",
        _ when template.EndsWith("/quota", StringComparison.Ordinal) => """{"max_active_renders":5,"reason":"mine now"}""",
        _ => "{}",
    };

    /// <summary>A tenant with one of everything, and where each is found. Unmade, its ids lead nowhere.</summary>
    sealed class Victim
    {
        readonly Dictionary<string, Guid> _ids = [];
        Person? _person;

        public IEnumerable<string> Marks => _ids.Values.Select(id => id.ToString());

        public static async Task<Victim> MakeAsync(Server server)
        {
            var person = await server.RegisterAsync();
            var victim = new Victim { _person = person };
            var template = await Renders.UploadAsync(person.Client, Mark);
            var render = await person.Client.AskAsync<RenderView>(HttpMethod.Post, "/v1/renders", Renders.Of(template), 202);
            var project = await person.Client.AskAsync<ProjectView>(HttpMethod.Post, "/v1/projects", new NewProject(Mark, template.TemplateId, null, null, null, null, null), 201);
            var snapshot = await person.Client.AskAsync<SnapshotView>(HttpMethod.Post, $"/v1/projects/{project.ProjectId}/snapshots", null, 201);
            var key = await person.Client.AskAsync<ApiKeyView>(HttpMethod.Post, "/v1/api-keys", new NewApiKey(Mark, [Permission.RendersRead]), 201);
            var hook = await person.Client.AskAsync<WebhookView>(HttpMethod.Post, "/v1/webhooks", new NewWebhook("https://127.0.0.1:1/told", null), 201);
            await server.FinishAsync(render.JobId);
            Page<DeliveryView>? told = null;
            await Renders.Until(async () => (told = await person.Client.GetAsync<Page<DeliveryView>>($"/v1/webhooks/{hook.WebhookId}/deliveries")).Total == 1, "the webhook is to be told");
            // Its price is captured when the purse hears of the film.
            await Renders.CreditsWhenAsync(person.Client, c => c.HeldMinor == 0);
            // Tried once, and again only when the clock is moved.
            await Renders.Until(async () => (await person.Client.GetAsync<DeliveryLog>($"/v1/deliveries/{told!.Items[0].DeliveryId}")).Attempts.Count == 1, "it was tried");
            victim._ids["webhooks"] = hook.WebhookId;
            victim._ids["deliveries"] = told!.Items[0].DeliveryId;
            victim._ids["notifications"] = (await person.Client.GetAsync<Page<Notice>>("/v1/notifications")).Items[0].NoticeId;
            victim._ids["renders"] = victim._ids["jobs"] = victim._ids["render"] = render.JobId.Value;
            victim._ids["templates"] = template.TemplateId.Value;
            victim._ids["projects"] = project.ProjectId.Value;
            victim._ids["snapshots"] = snapshot.SnapshotId.Value;
            victim._ids["api-keys"] = key.ApiKeyId;
            victim._ids["users"] = person.UserId.Value;
            victim._ids["tenants"] = person.TenantId.Value;
            return victim;
        }

        /// <summary>The victim's id of the kind that stands before the placeholder.</summary>
        public string Address(string template) => Placeholder().Replace(template, m => (_ids.TryGetValue(m.Groups[1].Value, out var id) ? $"{m.Groups[1].Value}/{id}" : m.Groups[1].Value is { Length: > 0 } kind ? $"{kind}/7b9d9d3c-5c1e-4f60-9c52-0f6f7d9c1a11" : "7b9d9d3c-5c1e-4f60-9c52-0f6f7d9c1a11"));

        public async Task<string> StateAsync()
        {
            var client = _person!.Client;
            var texts = new List<string>();
            foreach (var path in new[] { $"/v1/renders/{_ids["renders"]}", $"/v1/projects/{_ids["projects"]}", "/v1/projects", "/v1/templates", $"/v1/snapshots/{_ids["snapshots"]}", "/v1/api-keys", "/v1/users", "/v1/credits", "/v1/auth/me", "/v1/notifications", "/v1/webhooks" })
            {
                using var answer = await client.SendAsync(HttpMethod.Get, path);
                ((int)answer.StatusCode).ShouldBe(200, path);
                texts.Add(await answer.Content.ReadAsStringAsync());
            }
            return string.Join('\n', texts);
        }
    }

    [GeneratedRegex(@":[a-z]+\}")]
    private static partial Regex Constraint();

    [GeneratedRegex(@"(?:([^/{}]+)/)?\{[^}]+\}")]
    private static partial Regex Placeholder();
}
