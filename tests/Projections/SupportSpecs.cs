using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.Foundation;
using FlatRender.Gateway;
using FlatRender.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;

namespace FlatRender.Projections.Tests;

/// <summary>The projections of the house, and what the support room answers from them.</summary>
public sealed class SupportSpecs : IAsyncLifetime
{
    const string Token = "a token of sixteen characters";
    static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);
    static readonly string[] All = ["audit_search", "job_view", "node_view", "tenant_usage"];
    readonly Store _store = new(database: true);
    House _house = null!;
    Renders _renders = null!;

    public async Task InitializeAsync()
    {
        await _store.InitializeAsync();
        _house = await _store.OpenAsync(services =>
        {
            services.AddProjection<JobViews>();
            new SupportService().Register(services);
        });
        _renders = new Renders(_house);
    }

    public Task DisposeAsync() => _store.DisposeAsync();

    /// <summary>Every table of a projection, row by row, as text.</summary>
    async Task<string> TablesAsync(string projection)
    {
        var tables = await _store.QueryAsync("SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname IN ('gateway', 'support') AND (tablename = $1 OR tablename LIKE $1 || '\\_%') ORDER BY 1", r => r.GetString(0), projection);
        tables.ShouldNotBeEmpty();
        var text = "";
        foreach (var table in tables) text += $"{table}\n{string.Join('\n', await _store.QueryAsync($"SELECT t::text FROM {table} t ORDER BY 1", r => r.GetString(0)))}\n";
        return text;
    }

    async Task CaughtUpAsync()
    {
        var head = (await _store.QueryAsync("SELECT max(seq_id) FROM {s}.mt_events", r => r.GetInt64(0))).Single();
        using var patience = new CancellationTokenSource(Patience);
        foreach (var name in All) await _house.Projections.WaitForAsync(name, head, patience.Token);
    }

    [Fact]
    public async Task Every_projection_rebuilt_equals_the_live_one_also_where_facts_arrive_meanwhile()
    {
        for (var seed = 1; seed <= 25; seed++) await _renders.WildAsync(new Random(seed), 25);
        await CaughtUpAsync();
        foreach (var name in All)
        {
            var live = await TablesAsync(name);
            (await _house.Projections.RebuildHereAsync(name, CancellationToken.None)).Events.ShouldBeGreaterThan(100);
            (await TablesAsync(name)).ShouldBe(live, name);

            var writing = _renders.FilmAsync();
            await _house.Projections.RebuildHereAsync(name, CancellationToken.None);
            var film = await writing;
            await CaughtUpAsync();
            live = await TablesAsync(name);
            live.ShouldContain(name == "node_view" || name == "tenant_usage" ? "_jobs" : film.ToString());
            await _house.Projections.RebuildHereAsync(name, CancellationToken.None);
            (await TablesAsync(name)).ShouldBe(live, name);
        }
    }

    [Fact]
    public async Task Usage_is_counted_by_tenant_and_day()
    {
        var usage = _house.Services.GetRequiredService<TenantUsage>();
        for (var n = 0; n < 4; n++) await _renders.FilmAsync(n);
        var failed = new JobId(Ids.New());
        foreach (var fact in new object[] { new WorkStarted(failed, 1, Renders.Nodes[0]), new RendererFailed(failed, 1, "TEMPLATE_INVALID", "it cannot be read") })
        {
            if (fact is WorkStarted) await _renders.SendAsync(new SubmitRender(failed, Renders.Tenants[2], new UserId(Ids.New()), "t", "0", new(2, 2, 1, 30, 1, "#ffffff", new(0, 0, 2, 2), "1/1"), 1, []));
            await _renders.SendAsync(fact);
        }
        await CaughtUpAsync();
        var days = (await usage.ListAsync(null, DateOnly.MinValue, DateOnly.MaxValue, CancellationToken.None)).ToDictionary(d => d.TenantId);
        var first = days[Renders.Tenants[0]];
        (first.Submitted, first.Films, first.Frames, first.Failures).ShouldBe((2, 2, 180, 0));
        first.ComputeSeconds.ShouldBe((decimal)0.1 + (decimal)(0.1 + 3 / 7.0));
        (days[Renders.Tenants[2]].Films, days[Renders.Tenants[2]].Failures).ShouldBe((1, 1));
        (await usage.ListAsync(Renders.Tenants[1].Value, first.Day, first.Day, CancellationToken.None)).Single().TenantId.ShouldBe(Renders.Tenants[1]);

        var nodes = await _house.Services.GetRequiredService<NodeView>().ListAsync(CancellationToken.None);
        nodes.Select(n => (n.NodeId, n.Began, n.Done, n.Failed)).ShouldBe([(Renders.Nodes[0], 3, 2, 1), (Renders.Nodes[1], 2, 2, 0)], ignoreOrder: true);
    }

    [Fact]
    public async Task A_nodes_life_is_told_beside_what_it_began()
    {
        NodeId node = new(Ids.New()), quiet = new(Ids.New());
        Task WriteAsync(NodeId of, long version, params object[] facts) => _house.Streams.AppendAsync(of.Value, FarmStreams.NodeType, version, facts, "farm", CancellationToken.None);
        NodeRegistered Joined(NodeId of) => new(of, "render-7", "http://10.0.0.7", 8, ["gpu"], new Dictionary<string, string>(), "1", "it is new here");
        await WriteAsync(quiet, 0, Joined(quiet));
        await WriteAsync(node, 0, Joined(node), new NodeCrashed(node, new JobId(Ids.New()), "render", 3, "ENGINE_CRASHED", "it fell"));
        await WriteAsync(node, 2, new NodeLost(node, DateTimeOffset.UnixEpoch, 2, "silent"), Joined(node), new NodeRecovered(node, "farm", "it is back"), new NodeQuarantined(node, "support", 0, "it smells"), Joined(node));
        await CaughtUpAsync();
        var nodes = (await _house.Services.GetRequiredService<NodeView>().ListAsync(CancellationToken.None)).ToDictionary(n => n.NodeId, n => n.Life!);
        (nodes[node].State, nodes[node].Reason, nodes[node].Slots, nodes[node].Crashes, nodes[node].Losses).ShouldBe(("quarantined", "it smells", 8, 1, 1));
        nodes[quiet].State.ShouldBe("registered");
        var live = await TablesAsync("node_view");
        await _house.Projections.RebuildHereAsync("node_view", CancellationToken.None);
        (await TablesAsync("node_view")).ShouldBe(live);
    }

    [Fact]
    public async Task Facts_are_found_by_words_and_by_ids()
    {
        var film = await _renders.FilmAsync(1);
        var other = await _renders.FilmAsync(2);
        await CaughtUpAsync();
        var search = _house.Services.GetRequiredService<AuditSearch>();
        async Task<(Guid, long)[]> Find(string q) => [.. (await search.FindAsync(q, 1, 100, CancellationToken.None)).Items.Select(f => (f.StreamId, f.Version))];

        (await Find(film.ToString())).ShouldBe(Enumerable.Range(1, 7).Reverse().Select(v => (film.Value, (long)v)));
        (await Find($"{film} corrupt")).ShouldBe([(film.Value, 4)]);
        (await Find("render.job.done.v1")).ShouldBe([(other.Value, 7), (film.Value, 7)]);
        (await Find("frames_accepted")).ShouldBe([(other.Value, 6), (film.Value, 6)]);
        (await Find(Renders.Nodes[1].ToString())).ShouldBe([(film.Value, 2)]);
        (await Find(Renders.Tenants[2].ToString())).ShouldBe([(other.Value, 1)]);
        (await Find("\"2 corrupt\" -missing")).ShouldBeEmpty();
        (await Find("nothing like it")).ShouldBeEmpty();
        (await Find("' & | ! <-> (:*")).Length.ShouldBeGreaterThanOrEqualTo(0, "whatever is typed is no error");
    }

    [Fact]
    public async Task The_room_answers_over_http_and_only_to_people()
    {
        var film = await _renders.FilmAsync();
        await using var app = await ServeAsync();
        using var stranger = new HttpClient { BaseAddress = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First()) };
        using var person = new HttpClient { BaseAddress = stranger.BaseAddress, DefaultRequestHeaders = { Authorization = new AuthenticationHeaderValue("Bearer", Token) } };
        await CaughtUpAsync();

        foreach (var path in new[] { $"jobs/{film}/replay", "verify", "export", "search?q=x", "nodes", "usage", "projections" })
        {
            (await stranger.GetAsync($"/v1/support/{path}")).StatusCode.ShouldBe(HttpStatusCode.Unauthorized, path);
            (await person.GetAsync($"/v1/support/{path}")).StatusCode.ShouldBe(HttpStatusCode.OK, path);
        }

        var replay = await JsonAsync(person, $"jobs/{film}/replay?at=4");
        (replay.GetProperty("memory").GetProperty("state").GetString(), replay.GetProperty("facts").GetArrayLength(), replay.GetProperty("facts")[3].GetProperty("reason").GetString()).ShouldBe(("Repair", 4, "1 missing, 2 corrupt"));
        (await person.GetAsync($"/v1/support/jobs/{Ids.New()}/replay")).StatusCode.ShouldBe(HttpStatusCode.NotFound);
        (await person.GetAsync($"/v1/support/jobs/{film}/replay?at=yesterday-ish")).StatusCode.ShouldBe(HttpStatusCode.UnprocessableEntity);
        (await JsonAsync(person, "verify")).GetProperty("found").GetInt64().ShouldBe(0);
        await _store.RunAsync("UPDATE {s}.mt_events SET data = data || '{\"stalls\": 9}' WHERE stream_id = $1 AND version = 2", film.Value);
        (await JsonAsync(person, "verify?since=1")).GetProperty("findings")[0].GetProperty("version").GetInt64().ShouldBe(2);
        (await person.GetStringAsync($"/v1/support/export?job={film}")).Split('\n', StringSplitOptions.RemoveEmptyEntries).Length.ShouldBe(7);
        (await JsonAsync(person, $"search?q={film}")).GetProperty("total").GetInt64().ShouldBe(7);
        (await JsonAsync(person, "projections")).EnumerateArray().Select(p => p.GetProperty("name").GetString()).ShouldBe(All);
        (await person.PostAsync("/v1/support/projections/node_view/rebuild", null)).StatusCode.ShouldBe(HttpStatusCode.Accepted);
        (await person.PostAsync("/v1/support/projections/node_view/resume", null)).StatusCode.ShouldBe(HttpStatusCode.OK);
        (await person.PostAsync("/v1/support/projections/nothing/rebuild", null)).StatusCode.ShouldBe(HttpStatusCode.NotFound);
    }

    async Task<WebApplication> ServeAsync()
    {
        var service = new SupportService();
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Services.AddSingleton(new Secrets(Token, "", "")).AddTokenAccess();
        _store.Serve(builder.Services);
        service.Register(builder.Services);
        var app = builder.Build();
        app.UseEnvelope();
        app.UseAuthentication();
        app.UseAuthorization();
        service.Map(app);
        await app.StartAsync();
        return app;
    }

    static async Task<JsonElement> JsonAsync(HttpClient client, string path) => JsonSerializer.Deserialize<JsonElement>(await client.GetStringAsync($"/v1/support/{path}"));
}
