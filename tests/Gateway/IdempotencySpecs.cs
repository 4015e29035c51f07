using System.Net.Http.Json;
using FlatRender.Contracts;

namespace FlatRender.Gateway.Tests;

/// <summary>A key stands for what was first asked with it, whoever is asked and however many ask at once.</summary>
[Collection(SharedServer.Name)]
public sealed class IdempotencySpecs(Server server)
{
    static HttpRequestMessage Keyed(string path, object body, string key) => new(HttpMethod.Post, path) { Content = JsonContent.Create(body, body.GetType(), options: Wire.Json), Headers = { { "Idempotency-Key", key } } };

    static async Task<ErrorBody> ConflictAsync(Client client, string path, object body, string key)
    {
        using var answer = await client.SendAsync(Keyed(path, body, key));
        var text = await answer.Content.ReadAsStringAsync();
        ((int)answer.StatusCode).ShouldBe(422, text);
        var error = System.Text.Json.JsonSerializer.Deserialize<ErrorEnvelope>(text, Wire.Json)!.Error;
        error.Code.ShouldBe("IDEMPOTENCY_CONFLICT");
        return error;
    }

    [Fact]
    public async Task Another_render_with_the_same_key_is_refused_and_the_same_one_is_not()
    {
        var one = await server.RegisterAsync();
        var template = await Renders.UploadAsync(one.Client);
        var ask = Renders.Of(template) with { Width = 32, Inputs = new Dictionary<string, string>() };
        // What could not be rendered has not used the key up.
        using (var wrong = await one.Client.SendAsync(Keyed("/v1/renders", ask with { Background = "no colour" }, "order 7"))) ((int)wrong.StatusCode).ShouldBe(422);
        using var first = await one.Client.SendAsync(Keyed("/v1/renders", ask, "order 7"));
        ((int)first.StatusCode).ShouldBe(202);

        foreach (var other in new[] { ask with { Width = 64 }, ask with { Priority = 51 }, ask with { Inputs = new Dictionary<string, string> { ["title"] = "x" } }, Renders.Of(await Renders.UploadAsync(one.Client)) }) await ConflictAsync(one.Client, "/v1/renders", other, "order 7");
        using var written = await one.Client.SendAsync(new HttpRequestMessage(HttpMethod.Post, "/v1/renders") { Content = new StringContent($$""" { "inputs": {}, "width": 32, "height": null, "template_id" : "{{template.TemplateId}}" } """, null, "application/json"), Headers = { { "Idempotency-Key", "order 7" } } });
        written.Headers.Location.ShouldBe(first.Headers.Location, "the same, written differently");
        (await one.Client.GetAsync<Page<RenderView>>("/v1/renders")).Total.ShouldBe(1);
    }

    [Fact]
    public async Task Another_project_with_the_same_key_is_refused_and_the_same_one_is_not()
    {
        var one = await server.RegisterAsync();
        var ask = new NewProject("Nowruz", (await Renders.UploadAsync(one.Client)).TemplateId, new Dictionary<string, string> { ["b"] = "2", ["a"] = "1" }, null, null, null, null);
        using var first = await one.Client.SendAsync(Keyed("/v1/projects", ask, "mine"));
        ((int)first.StatusCode).ShouldBe(201);
        await ConflictAsync(one.Client, "/v1/projects", ask with { Name = "Yalda" }, "mine");
        await ConflictAsync(one.Client, "/v1/projects", ask with { Inputs = null }, "mine");
        using var second = await one.Client.SendAsync(Keyed("/v1/projects", ask with { Inputs = new Dictionary<string, string> { ["a"] = "1", ["b"] = "2" } }, "mine"));
        second.Headers.Location.ShouldBe(first.Headers.Location);
    }

    [Fact]
    public async Task Of_many_who_ask_two_gateways_for_different_renders_with_one_key_one_is_served()
    {
        var second = new Server { Beside = server };
        await second.InitializeAsync();
        try
        {
            var one = await server.RegisterAsync();
            var ask = Renders.Of(await Renders.UploadAsync(one.Client));
            Client[] doors = [one.Client, second.With(one.Tokens.AccessToken)];
            // Each size is asked for twice, once at each gateway.
            var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(async n =>
            {
                using var answer = await doors[n % 2].SendAsync(Keyed("/v1/renders", ask with { Width = 16 * (1 + n / 2) }, "order 8"));
                return (Width: 16 * (1 + n / 2), Status: (int)answer.StatusCode, Text: await answer.Content.ReadAsStringAsync());
            }));
            answers.Where(a => a.Status is not (202 or 422)).ShouldBeEmpty();
            answers.Where(a => a.Status == 422).ShouldAllBe(a => a.Text.Contains("IDEMPOTENCY_CONFLICT", StringComparison.Ordinal));
            var served = answers.Where(a => a.Status == 202).ToArray();
            served.Length.ShouldBe(2);
            var render = (await one.Client.GetAsync<Page<RenderView>>("/v1/renders")).Items.Single();
            served.ShouldAllBe(a => a.Width == render.Width);
            (await one.Client.GetAsync<CreditsView>("/v1/credits")).ActiveRenders.ShouldBe(1);
        }
        finally
        {
            await second.DisposeAsync();
        }
    }
}
