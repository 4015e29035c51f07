using System.Collections.Concurrent;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using FlatRender.Contracts;

namespace FlatRender.Gateway.Tests;

/// <summary>What measures the memory of the whole process runs when nothing else does.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class Alone
{
    public const string Name = "alone";
}

/// <summary>Ten thousand requests that are almost right.</summary>
[Collection(Alone.Name)]
public sealed class FuzzSpecs(Server server) : IClassFixture<Server>
{
    const int Requests = 10_000, WarmUp = 2_000;

    /// <summary>Far below what is lost where each request leaves as little as 4 KB behind.</summary>
    const long MostGrowth = 24L << 20;

    static readonly int[] Documented = [200, 201, 202, 204, 400, 401, 402, 403, 404, 405, 409, 411, 412, 413, 415, 422, 429];

    /// <summary>Good requests, from which bad ones are made. None that is still good makes the server work for long.</summary>
    static (string Method, string Path, string Body)[] Seeds(Person who, TemplateView template) =>
    [
        ("POST", "/v1/auth/register", """{"email":"jo@example.org","password":"a long password","name":"Jo","tenant_name":"Jo's"}"""),
        ("POST", "/v1/auth/login", """{"email":"jo@example.org","password":"a long password"}"""),
        ("POST", "/v1/auth/refresh", """{"refresh_token":"frr_0123456789"}"""),
        ("POST", "/v1/auth/password", """{"current":"not the password","new":"another password"}"""),
        ("POST", "/v1/users", """{"email":"kim@example.org","password":"a long password","name":"Kim","roles":["member","owner"]}"""),
        ("PUT", $"/v1/users/{Ids.New()}/roles", """{"roles":["member"]}"""),
        ("POST", "/v1/api-keys", """{"name":"ci","scopes":["renders:read","renders:write"]}"""),
        ("POST", "/v1/webhooks", """{"url":"https://127.0.0.1:1/told?shop=7","events":["render.job.done.v1","render.job.failed.v1"]}"""),
        ("POST", "/v1/templates", """{"name":"a card","lottie":{"v":"5.7.0","layers":[]},"fields":[{"key":"title"}],"assets":{"a.png":"data:image/png;base64,AAAA"},"fonts":{}}"""),
        ("POST", "/v1/renders", $$$"""{"template_id":"{{{Ids.New()}}}","inputs":{"title":"سلام","gold":"#e8c468"},"width":640,"height":360,"fps":"30000/1001","background":"#ffffff","priority":50,"tags":["gpu"]}"""),
        ("POST", $"/v1/renders/{Ids.New()}/cancel", """{"reason":"no longer wanted"}"""),
        ("POST", $"/v1/renders/{Ids.New()}/retry", """{"reason":"again"}"""),
        ("POST", "/v1/projects", $$$"""{"name":"Nowruz","template_id":"{{{template.TemplateId}}}","inputs":{"title":"x"},"width":64,"height":48,"fps":"30","background":"#101828"}"""),
        ("PUT", $"/v1/projects/{Ids.New()}", $$"""{"name":"Nowruz","template_id":"{{template.TemplateId}}"}"""),
        ("POST", $"/v1/support/tenants/{who.TenantId}/credits", """{"amount_minor":500,"key":"invoice","reason":"paid"}"""),
        ("PUT", $"/v1/support/tenants/{who.TenantId}/quota", """{"max_active_renders":10,"reason":"so"}"""),
        ("POST", "/v1/support/service-tokens", """{"service_name":"reseller"}"""),
        ("POST", "/v1/nodes", $$$"""{"node_id":"{{{Ids.New()}}}","name":"n","url":"http://127.0.0.1:1","slots":0,"engines":{"skottie":"1"},"tags":[]}"""),
        ("GET", "/v1/renders?page=1&page_size=20&step=Queued&title=x&from=2026-01-01T00:00:00Z", ""),
        ("GET", "/v1/support/search?q=render.job.queued.v1", ""),
        ("GET", "/v1/templates?page=2&page_size=5", ""),
    ];

    [Fact]
    public async Task Ten_thousand_mutated_requests_meet_only_documented_refusals_and_memory_stays_flat()
    {
        var who = await server.RegisterAsync();
        var seeds = Seeds(who, await Renders.UploadAsync(who.Client));
        var wrong = new ConcurrentQueue<string>();
        var statuses = new ConcurrentDictionary<int, int>();
        using var http = new HttpClient(new SocketsHttpHandler { MaxConnectionsPerServer = 16 }) { BaseAddress = new Uri(server.Url) };
        await SendAsync(0, WarmUp);
        var used = Used();
        await SendAsync(WarmUp, Requests);
        (Used() - used).ShouldBeLessThan(MostGrowth, "bytes in use grew with the requests that came");
        wrong.Take(5).ShouldBeEmpty($"{wrong.Count} of {Requests}; {string.Join(", ", statuses.OrderBy(s => s.Key).Select(s => $"{s.Key}: {s.Value}"))}");
        statuses.Keys.Count(s => s < 300).ShouldBeGreaterThan(0, "some stay good: the mutations are not all noise");
        await who.Client.GetAsync<UserView>("/v1/auth/me");

        Task SendAsync(int from, int to) => Parallel.ForAsync(from, to, new ParallelOptions { MaxDegreeOfParallelism = 16 }, async (i, cancel) =>
        {
            var random = new Random(i);
            var (method, path, body) = seeds[i % seeds.Length];
            var token = path.StartsWith("/v1/support", StringComparison.Ordinal) ? Server.OwnerToken : path.StartsWith("/v1/nodes", StringComparison.Ordinal) ? Server.NodeToken : who.Tokens.AccessToken;
            var address = method == "GET" ? Query(random, path) : path;
            var key = random.Next(4) != 0 ? null : Strange(random)?.ToString() is { } strange ? new string([.. strange.Take(300).Where(c => c is > ' ' and < '\u007f')]) : "k";
            var sent = method == "GET" ? [] : random.Next(2) == 0 ? Bytes(random, Encoding.UTF8.GetBytes(body)) : Encoding.UTF8.GetBytes(Json(random, body));
            var type = random.Next(20) == 0 ? "text/plain" : "application/json";
            for (var tries = 0; ; tries++)
            {
                using var request = new HttpRequestMessage(new HttpMethod(method), address);
                request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
                if (key is not null) request.Headers.TryAddWithoutValidation("Idempotency-Key", key);
                if (method != "GET") request.Content = new ByteArrayContent(sent) { Headers = { ContentType = new(type) } };
                using var answer = await http.SendAsync(request, cancel);
                var status = (int)answer.StatusCode;
                var text = await answer.Content.ReadAsStringAsync(cancel);
                // A part it needs is away for the moment, as on a machine that stalls: asked again, and wrong only where it stays so.
                if (status == 503 && tries < 5 && Envelope(text)?.Code == "UNAVAILABLE")
                {
                    await Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System, cancel);
                    continue;
                }

                statuses.AddOrUpdate(status, 1, (_, n) => n + 1);
                if (!Documented.Contains(status) || text.Contains("   at ", StringComparison.Ordinal) || text.Contains("Exception", StringComparison.Ordinal) || status >= 400 && Envelope(text) is null && !NoRequest(request, status, text))
                    wrong.Enqueue($"request {i}: {method} {request.RequestUri} -> {status}\n{Encoding.UTF8.GetString(sent.AsSpan(0, Math.Min(sent.Length, 300)))}\n{text[..Math.Min(text.Length, 500)]}");
                return;
            }
        });
    }

    long Used()
    {
        server.Log.Clear();
        return GC.GetTotalMemory(forceFullCollection: true);
    }

    // A path with a NUL is no HTTP: the server itself refuses it, before anything of ours sees it.
    static bool NoRequest(HttpRequestMessage request, int status, string text) => status == 400 && text == "" && request.RequestUri!.AbsolutePath.Contains("%00", StringComparison.Ordinal);

    static ErrorBody? Envelope(string text)
    {
        try
        {
            return JsonSerializer.Deserialize<ErrorEnvelope>(text, Wire.Json)?.Error is { Code.Length: > 0, Message.Length: > 0, TraceId.Length: > 0 } error ? error : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    static string Query(Random random, string path)
    {
        var text = new StringBuilder(path);
        for (var n = random.Next(1, 4); n > 0; n--)
        {
            var at = random.Next(path.IndexOf('?'), text.Length);
            switch (random.Next(3))
            {
                case 0: text.Insert(at, Uri.EscapeDataString(new string((char)random.Next(1, 0xD7FF), random.Next(1, 5)))); break;
                case 1: text.Insert(at, new[] { "%00", "%ff", "&page=-1", "99999999999999999999", "&", "=", "%25", "'", "--" }[random.Next(9)]); break;
                default: text.Remove(at, Math.Min(random.Next(1, 6), text.Length - at)); break;
            }
        }
        return text.ToString().Replace("#", "%23", StringComparison.Ordinal);
    }

    static byte[] Bytes(Random random, byte[] body)
    {
        var bytes = body.ToList();
        for (var n = random.Next(1, 6); n > 0; n--)
        {
            var at = random.Next(bytes.Count + 1);
            switch (random.Next(5))
            {
                case 0 when at < bytes.Count: bytes[at] = (byte)random.Next(256); break;
                case 1 when at < bytes.Count: bytes.RemoveRange(at, Math.Min(random.Next(1, 8), bytes.Count - at)); break;
                case 2: bytes.InsertRange(at, Encoding.UTF8.GetBytes(new[] { "\"", "{", "}", "[", ",", ":", "null", "\\u0000", "\\ud800", "1e999", "-" }[random.Next(11)])); break;
                case 3: bytes.InsertRange(at, bytes.Take(random.Next(bytes.Count + 1)).ToArray()); break;
                default: if (random.Next(4) == 0) bytes = bytes.Take(at).ToList(); break;
            }
        }
        return [.. bytes];
    }

    static string Json(Random random, string body)
    {
        var root = JsonNode.Parse(body)!.AsObject();
        for (var n = random.Next(1, 4); n > 0; n--)
        {
            var holder = root;
            while (random.Next(3) == 0 && holder.Select(m => m.Value).OfType<JsonObject>().FirstOrDefault() is { } inner) holder = inner;
            var name = holder.Count == 0 ? "x" : holder.ElementAt(random.Next(holder.Count)).Key;
            switch (random.Next(5))
            {
                case 0: holder.Remove(name); break;
                case 1: holder[new string('k', random.Next(1, 300))] = Strange(random); break;
                default: holder[name] = Strange(random); break;
            }
        }
        return root.ToJsonString();
    }

    static JsonNode? Strange(Random random) => random.Next(18) switch
    {
        0 => null,
        1 => JsonValue.Create(random.Next(2) == 0),
        2 => JsonValue.Create(-1),
        3 => JsonValue.Create(0),
        4 => JsonValue.Create(long.MaxValue),
        5 => JsonValue.Create(1e300),
        6 => JsonValue.Create(""),
        7 => JsonValue.Create("\0"),
        8 => JsonValue.Create(new string('x', random.Next(1, 20_000))),
        9 => JsonValue.Create("' OR 1=1; --"),
        10 => JsonValue.Create("../../../etc/passwd"),
        11 => JsonValue.Create("<script>alert(1)</script>"),
        12 => JsonValue.Create("سلام\u202e🎬\u200f"),
        13 => JsonValue.Create(Guid.Empty),
        14 => new JsonArray([.. Enumerable.Range(0, random.Next(5)).Select(i => JsonValue.Create(i))]),
        15 => new JsonArray([.. Enumerable.Range(0, random.Next(600)).Select(i => JsonValue.Create($"{i}"))]),
        16 => Deep(random.Next(1, 100)),
        _ => JsonValue.Create("2026-13-45T99:99:99Z"),
    };

    static JsonObject Deep(int depth) => depth == 0 ? [] : new JsonObject { ["d"] = Deep(depth - 1) };
}
