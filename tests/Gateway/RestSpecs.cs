using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using FlatRender.Contracts;

namespace FlatRender.Gateway.Tests;

/// <summary>Renders, templates and projects, from outside. That every answer keeps to the contract is checked by the client.</summary>
[Collection(SharedServer.Name)]
public sealed class RestSpecs(Server server)
{
    static HttpRequestMessage Keyed(HttpMethod method, string path, object body, string key) => new(method, path) { Content = JsonContent.Create(body, body.GetType(), options: Wire.Json), Headers = { { "Idempotency-Key", key } } };

    static async Task<T> ReadAsync<T>(HttpResponseMessage answer) => (await answer.Content.ReadFromJsonAsync<T>(Wire.Json))!;

    [Fact]
    public async Task A_node_that_was_never_here_is_not_found_whatever_is_asked_of_it()
    {
        using var owner = server.Owner();
        foreach (var verb in new[] { "drain", "quarantine", "release" })
            (await owner.AskAsync<ErrorEnvelope>(HttpMethod.Post, $"/v1/support/nodes/{Ids.New()}/{verb}", new ReasonGiven("new disks"), 404)).Error.Code.ShouldBe("NOT_FOUND", verb);
    }

    [Fact]
    public async Task A_render_sent_twice_with_one_key_is_one_render()
    {
        var one = await server.RegisterAsync();
        var ask = Renders.Of(await Renders.UploadAsync(one.Client));
        using var first = await one.Client.SendAsync(Keyed(HttpMethod.Post, "/v1/renders", ask, "order 7"));
        using var second = await one.Client.SendAsync(Keyed(HttpMethod.Post, "/v1/renders", ask, "order 7"));
        ((int)first.StatusCode).ShouldBe(202);
        ((int)second.StatusCode).ShouldBe(202);
        first.Headers.Location.ShouldBe(second.Headers.Location);
        (await one.Client.GetAsync<CreditsView>("/v1/credits")).ActiveRenders.ShouldBe(1);
        (await one.Client.GetAsync<Page<RenderView>>("/v1/renders")).Total.ShouldBe(1);

        // Another tenant's key is another key.
        var other = await server.RegisterAsync();
        using var theirs = await other.Client.SendAsync(Keyed(HttpMethod.Post, "/v1/renders", Renders.Of(await Renders.UploadAsync(other.Client)), "order 7"));
        theirs.Headers.Location.ShouldNotBe(first.Headers.Location);
    }

    [Fact]
    public async Task Renders_are_listed_in_pages_and_found_by_step_title_and_time()
    {
        var one = await server.RegisterAsync();
        var (a, b) = (await Renders.UploadAsync(one.Client, "a red card"), await Renders.UploadAsync(one.Client, "a blue card"));
        var red = await one.Client.AskAsync<RenderView>(HttpMethod.Post, "/v1/renders", Renders.Of(a), 202);
        await one.Client.AskAsync<RenderView>(HttpMethod.Post, "/v1/renders", Renders.Of(b), 202);
        await Renders.CancelAsync(one.Client, red.JobId);

        (await ListAsync("?page=1&page_size=1")).Items.Count.ShouldBe(1);
        (await ListAsync("?page=1&page_size=1")).Total.ShouldBe(2);
        (await ListAsync("?page=3&page_size=1")).Items.ShouldBeEmpty();
        (await ListAsync("?step=Cancelled")).Items.Single().JobId.ShouldBe(red.JobId);
        (await ListAsync("?title=RED")).Items.Single().JobId.ShouldBe(red.JobId);
        var at = red.CreatedAt.UtcDateTime;
        (await ListAsync($"?from={at.AddSeconds(-1):s}Z&to={at.AddSeconds(1):s}Z")).Total.ShouldBe(2);
        (await ListAsync($"?from={at.AddSeconds(1):s}Z")).Total.ShouldBe(0);
        foreach (var wrong in new[] { "?page=0", "?page_size=101", "?page_size=0", "?step=Nowhere" }) await one.Client.RefusedAsync(HttpMethod.Get, "/v1/renders" + wrong, null, 422);
        await one.Client.RefusedAsync(HttpMethod.Get, "/v1/renders?page=one", null, 400);

        Task<Page<RenderView>> ListAsync(string query) => one.Client.GetAsync<Page<RenderView>>("/v1/renders" + query);
    }

    [Fact]
    public async Task A_film_is_there_when_the_render_is_done_whole_and_in_ranges()
    {
        var one = await server.RegisterAsync();
        var render = await Renders.SubmitAsync(one.Client);
        (await one.Client.RefusedAsync(HttpMethod.Get, $"/v1/renders/{render.JobId}/film", null, 409)).Code.ShouldBe("NOT_DONE");
        await server.FinishAsync(render.JobId);

        using var whole = await one.Client.SendAsync(HttpMethod.Get, $"/v1/renders/{render.JobId}/film");
        (await whole.Content.ReadAsStringAsync()).ShouldBe($"the film of {render.JobId}");
        whole.Content.Headers.ContentType!.MediaType.ShouldBe("video/mp4");
        using var part = await one.Client.SendAsync(new HttpRequestMessage(HttpMethod.Get, $"/v1/renders/{render.JobId}/film") { Headers = { Range = new RangeHeaderValue(4, 7) } });
        ((int)part.StatusCode).ShouldBe(206);
        (await part.Content.ReadAsStringAsync()).ShouldBe("film");
        using var beyond = await one.Client.SendAsync(new HttpRequestMessage(HttpMethod.Get, $"/v1/renders/{render.JobId}/film") { Headers = { Range = new RangeHeaderValue(4000, null) } });
        ((int)beyond.StatusCode).ShouldBe(416);
        using var same = await one.Client.SendAsync(new HttpRequestMessage(HttpMethod.Get, $"/v1/renders/{render.JobId}/film") { Headers = { IfNoneMatch = { whole.Headers.ETag! } } });
        ((int)same.StatusCode).ShouldBe(304);
        using var thumbnail = await one.Client.SendAsync(HttpMethod.Get, $"/v1/renders/{render.JobId}/thumbnail");
        (await thumbnail.Content.ReadAsStringAsync()).ShouldBe($"the thumbnail of {render.JobId}");
    }

    [Fact]
    public async Task Who_has_the_newest_view_is_told_so()
    {
        var one = await server.RegisterAsync();
        var render = await Renders.SubmitAsync(one.Client);
        EntityTagHeaderValue tag = null!;
        // The view may just have changed by itself: then the next look has the newest.
        await Renders.Until(async () =>
        {
            using var first = await one.Client.SendAsync(HttpMethod.Get, $"/v1/renders/{render.JobId}");
            tag = first.Headers.ETag!;
            using var again = await one.Client.SendAsync(new HttpRequestMessage(HttpMethod.Get, $"/v1/renders/{render.JobId}") { Headers = { IfNoneMatch = { tag } } });
            return (int)again.StatusCode == 304;
        }, "the view is the newest");
        await Renders.CancelAsync(one.Client, render.JobId);
        using var changed = await one.Client.SendAsync(new HttpRequestMessage(HttpMethod.Get, $"/v1/renders/{render.JobId}") { Headers = { IfNoneMatch = { tag } } });
        ((int)changed.StatusCode).ShouldBe(200);
    }

    [Fact]
    public async Task A_render_is_cancelled_once_and_a_finished_one_not_at_all()
    {
        var one = await server.RegisterAsync();
        var render = await Renders.SubmitAsync(one.Client);
        for (var i = 0; i < 2; i++)
            (await Renders.CancelAsync(one.Client, render.JobId, "a typo")).Reason.ShouldBe("a typo");
        var history = await one.Client.GetAsync<Page<TimelineEntry>>($"/v1/renders/{render.JobId}/events");
        history.Items.Select(e => (e.Seq, e.Type, e.Reason)).ShouldBe([(1, "render.job.queued.v1", "submitted"), (2, "render.job.cancelled.v1", "a typo")]);
        (await one.Client.GetAsync<Page<TimelineEntry>>($"/v1/renders/{render.JobId}/events?page=2&page_size=1")).Items.Single().Seq.ShouldBe(2);
        (await one.Client.RefusedAsync(HttpMethod.Post, $"/v1/renders/{render.JobId}/retry", new ReasonGiven(null), 409)).Code.ShouldBe("NOT_RETRYABLE");
        await one.Client.RefusedAsync(HttpMethod.Post, $"/v1/renders/{render.JobId}/cancel", new ReasonGiven(new string('x', 1001)), 422);

        var done = await Renders.SubmitAsync(one.Client);
        await server.FinishAsync(done.JobId);
        (await one.Client.RefusedAsync(HttpMethod.Post, $"/v1/renders/{done.JobId}/cancel", new ReasonGiven(null), 409)).Code.ShouldBe("NOT_CANCELLABLE");
    }

    [Fact]
    public async Task A_template_uploaded_twice_is_one_template_of_its_tenant()
    {
        var (one, other) = (await server.RegisterAsync(), await server.RegisterAsync());
        var first = await Renders.UploadAsync(one.Client);
        (await Renders.UploadAsync(one.Client)).ShouldBe(first);
        (await Renders.UploadAsync(other.Client)).TemplateId.ShouldNotBe(first.TemplateId);
        (await one.Client.GetAsync<Page<TemplateView>>("/v1/templates")).Items.ShouldBe([first]);
        (await one.Client.GetAsync<TemplateView>($"/v1/templates/{first.TemplateId}")).ShouldBe(first);
        foreach (var wrong in new[] { "", "no JSON", "[]", """{"name":"x"}""", """{"lottie":{}}""", """{"name":"\u0000","lottie":{}}""", """{"name":"\ud800","lottie":{}}""", """{"name":"","lottie":{}}""" })
            await one.Client.RefusedAsync(HttpMethod.Post, "/v1/templates", new StringContent(wrong, Encoding.UTF8, "application/json"), 422);
    }

    [Fact]
    public async Task A_render_names_one_thing_to_render_and_everything_wrong_is_said_at_once()
    {
        var one = await server.RegisterAsync();
        var nothing = await one.Client.RefusedAsync(HttpMethod.Post, "/v1/renders", new NewRender(null, null, null, null, new string('9', 50), null, 101), 422);
        nothing.Details.Select(d => d.Code).ShouldBe(["MISSING", "BAD_PRIORITY", "BAD_FPS"], ignoreOrder: true);
        (await one.Client.RefusedAsync(HttpMethod.Post, "/v1/renders", new NewRender(new TemplateId(Ids.New()), null, null, null, null, null, null), 404)).Code.ShouldBe("NOT_FOUND");
        await one.Client.RefusedAsync(HttpMethod.Post, "/v1/renders", new NewRender(new TemplateId(Ids.New()), null, null, null, null, null, null, null, new ProjectId(Ids.New())), 422);
        var template = await Renders.UploadAsync(one.Client);
        (await one.Client.RefusedAsync(HttpMethod.Post, "/v1/renders", Renders.Of(template) with { Inputs = new Dictionary<string, string> { ["nowhere"] = "x" } }, 422)).Code.ShouldBe("PREFLIGHT_FAILED");
    }

    [Fact]
    public async Task A_project_is_rendered_as_it_was_when_it_was_sent()
    {
        var one = await server.RegisterAsync();
        var template = await Renders.UploadAsync(one.Client);
        var project = await one.Client.AskAsync<ProjectView>(HttpMethod.Post, "/v1/projects", new NewProject("Nowruz", template.TemplateId, null, 32, null, null, null), 201);
        var render = await one.Client.AskAsync<RenderView>(HttpMethod.Post, "/v1/renders", new NewRender(null, null, null, null, null, null, null, null, project.ProjectId), 202);
        (render.Width, render.ProjectId, render.TemplateId).ShouldBe((32, project.ProjectId, template.TemplateId));

        await one.Client.AskAsync<ProjectView>(HttpMethod.Put, $"/v1/projects/{project.ProjectId}", new NewProject("Nowruz", template.TemplateId, null, 16, null, null, null));
        var snapshot = await one.Client.GetAsync<SnapshotView>($"/v1/snapshots/{render.SnapshotId}");
        snapshot.Width.ShouldBe(32, "a snapshot never changes");
        var again = await one.Client.AskAsync<RenderView>(HttpMethod.Post, "/v1/renders", new NewRender(null, null, null, null, null, null, null, null, null, snapshot.SnapshotId), 202);
        again.Width.ShouldBe(32);
        (await one.Client.GetAsync<Page<RenderView>>($"/v1/renders?project_id={project.ProjectId}")).Total.ShouldBe(2);
        await one.Client.RefusedAsync(HttpMethod.Post, "/v1/renders", new NewRender(null, null, 64, null, null, null, null, null, project.ProjectId), 422);
        await one.Client.RefusedAsync(HttpMethod.Post, "/v1/renders", new NewRender(null, null, null, null, null, null, null, null, new ProjectId(Ids.New())), 404);
    }

    [Fact]
    public async Task A_project_is_changed_only_by_who_has_seen_its_newest_state()
    {
        var one = await server.RegisterAsync();
        var template = await Renders.UploadAsync(one.Client);
        var ask = new NewProject("Nowruz", template.TemplateId, new Dictionary<string, string> { ["b"] = "سلام", ["a"] = "1" }, null, null, null, null);
        using var made = await one.Client.SendAsync(Keyed(HttpMethod.Post, "/v1/projects", ask, "mine"));
        using var twice = await one.Client.SendAsync(Keyed(HttpMethod.Post, "/v1/projects", ask, "mine"));
        var project = await ReadAsync<ProjectView>(made);
        (await ReadAsync<ProjectView>(twice)).ProjectId.ShouldBe(project.ProjectId);
        project.Inputs!["b"].ShouldBe("سلام");

        using var changed = await ChangeAsync("one", made.Headers.ETag!);
        ((int)changed.StatusCode).ShouldBe(200);
        using var late = await ChangeAsync("two", made.Headers.ETag!);
        ((int)late.StatusCode).ShouldBe(412);
        (await one.Client.GetAsync<ProjectView>($"/v1/projects/{project.ProjectId}")).Name.ShouldBe("one");

        // Both have seen the same: one of them is told.
        var newest = changed.Headers.ETag!;
        for (var n = 0; n < 10; n++)
        {
            var both = await Task.WhenAll(ChangeAsync($"left {n}", newest), ChangeAsync($"right {n}", newest));
            both.Select(b => (int)b.StatusCode).Order().ShouldBe([200, 412]);
            newest = both.Single(b => (int)b.StatusCode == 200).Headers.ETag!;
            foreach (var answer in both) answer.Dispose();
        }

        var shot = await one.Client.AskAsync<SnapshotView>(HttpMethod.Post, $"/v1/projects/{project.ProjectId}/snapshots", null, 201);
        (await one.Client.AskAsync<SnapshotView>(HttpMethod.Post, $"/v1/projects/{project.ProjectId}/snapshots", null, 201)).SnapshotId.ShouldBe(shot.SnapshotId, "nothing has changed");
        (await one.Client.GetAsync<Page<SnapshotView>>($"/v1/projects/{project.ProjectId}/snapshots")).Items.Single().Digest.ShouldBe(shot.Digest);

        await one.Client.DoAsync(HttpMethod.Delete, $"/v1/projects/{project.ProjectId}");
        await one.Client.RefusedAsync(HttpMethod.Get, $"/v1/projects/{project.ProjectId}", null, 404);
        await one.Client.RefusedAsync(HttpMethod.Delete, $"/v1/projects/{project.ProjectId}", null, 404);
        (await one.Client.GetAsync<SnapshotView>($"/v1/snapshots/{shot.SnapshotId}")).Inputs!["a"].ShouldBe("1");
        (await server.FactsAsync(project.ProjectId.Value)).Select(f => f.GetType()).ShouldBe([typeof(ProjectCreated), .. Enumerable.Repeat(typeof(ProjectChanged), 11), typeof(SnapshotTaken), typeof(ProjectDeleted)]);

        Task<HttpResponseMessage> ChangeAsync(string name, EntityTagHeaderValue seen) => one.Client.SendAsync(new HttpRequestMessage(HttpMethod.Put, $"/v1/projects/{project.ProjectId}") { Content = JsonContent.Create(ask with { Name = name }, options: Wire.Json), Headers = { IfMatch = { seen } } });
    }
}
