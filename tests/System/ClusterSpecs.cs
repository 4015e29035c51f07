using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using FlatRender.Cli;
using FlatRender.Contracts;

namespace FlatRender.SystemTests;

/// <summary>The same binary apart, over RabbitMQ: what is promised of one process is promised of many.</summary>
[Collection(ClusterTests.Name)]
public sealed partial class ClusterSpecs(Clustered cluster) : IAsyncLifetime
{
    static readonly string[] s_small = ["--size", "160x90", "--fps", "30"];

    public Task InitializeAsync() => cluster.UpAsync();

    public Task DisposeAsync() => Task.CompletedTask;

    [Fact]
    public async Task A_film_made_apart_is_the_film_of_one_process_and_every_gateway_sees_it_grow()
    {
        var alone = await cluster.At.RenderAsync(Checkout.TitleCard, s_small);

        using var render = await cluster.FrozenAsync("apart.mp4", s_small);
        foreach (var gateway in cluster.Note.Of(ClusterPart.Gateway))
        {
            using var api = cluster.Api(gateway.Name);
            await Wait.UntilAsync($"{gateway.Name} sees frames", async () => (await api.RenderAsync(render.Job, CancellationToken.None)).CurrentFrame > 0);
        }
        cluster.At.SignalEngines(Signal.Continue);
        (await render.Command.EndAsync()).ExitCode.ShouldBe(0);
        await DoneOnceAsync(render.Job);

        cluster.Marks(render.Job).ShouldBe(cluster.At.Marks(alone.JobId));
        (await new Film(Path.Combine(cluster.At.Desk, "apart.mp4"), alone.View, "").FrameHashesAsync()).ShouldBe(await alone.FrameHashesAsync());
        (await cluster.Book.WorkAsync(render.Job)).Select(p => p.Node).Distinct().Count().ShouldBeGreaterThan(1, "more than one agent worked on it");
        (await cluster.At.RunAsync("cluster", "audit", "verify")).ExitCode.ShouldBe(0);
    }

    [Theory]
    [InlineData("broker-1", 15)]
    [InlineData("database", 2)]
    public async Task Without_broker_or_database_nothing_is_ready_nothing_is_accepted_and_nothing_is_lost(string part, int signal)
    {
        using var render = await cluster.FrozenAsync($"{part}.mp4", s_small);
        var template = await TemplateAsync();
        var away = cluster.Note[part].Process!;

        Signal.Send(away.Pid, signal);
        await Wait.UntilAsync($"{part} has ended", () => !away.IsAlive);

        foreach (var host in cluster.Note.Parts.Where(p => p.Kind is ClusterPart.Render or ClusterPart.Gateway))
            await Wait.UntilAsync($"{host.Name} says it is not ready", async () => await cluster.ReadyAsync(host.Name) == HttpStatusCode.ServiceUnavailable);
        foreach (var gateway in cluster.Note.Of(ClusterPart.Gateway))
            await RefusedForNowAsync(gateway, template);
        // What was drawn meanwhile waits at its node.
        cluster.At.SignalEngines(Signal.Continue);

        await cluster.UpAsync();
        await DoneOnceAsync(render.Job);
        foreach (var host in cluster.Note.Parts.Where(p => p.Kind is ClusterPart.Render or ClusterPart.Gateway))
        {
            host.IsAlive.ShouldBeTrue($"{host.Name} lived through it");
            await Wait.UntilAsync($"{host.Name} is ready again", async () => await cluster.ReadyAsync(host.Name) == HttpStatusCode.OK);
        }
    }

    [Fact]
    public async Task A_rolling_restart_in_the_middle_of_a_render_is_not_noticed_by_it()
    {
        using var render = await cluster.FrozenAsync("rolling.mp4", s_small);
        foreach (var part in new[] { "render-1", "gateway-2", "render-2" })
        {
            var process = cluster.Note[part].Process!;
            Signal.Send(process.Pid, Signals.Terminate);
            await Wait.UntilAsync($"{part} has ended", () => !process.IsAlive);
            await cluster.UpAsync();
        }
        cluster.At.SignalEngines(Signal.Continue);
        await DoneOnceAsync(render.Job);
    }

    [Fact]
    public async Task A_dead_letter_is_seen_explained_and_sent_again_with_one_command()
    {
        var about = await Poison.SendAsync(cluster.Note.Nodes[0].Url);
        JsonElement letter = default;
        await Wait.UntilAsync("the dead letter is listed", async () =>
        {
            letter = (await LettersAsync()).FirstOrDefault(l => l.TryGetProperty("job_id", out var job) && job.GetGuid() == about.Value);
            return letter.ValueKind == JsonValueKind.Object;
        });
        letter.GetProperty("queue").GetString().ShouldBe("render");
        letter.GetProperty("type").GetString().ShouldBe("FramesRendered");
        letter.GetProperty("exception").GetString().ShouldBe("MassTransit.SagaException");
        letter.GetProperty("message").GetString()!.ShouldContain("not found");
        var id = letter.GetProperty("id").GetString()!;

        var sent = await cluster.At.RunAsync("cluster", "deadletters", "resend", id);
        sent.ExitCode.ShouldBe(0, $"{sent}");
        sent.Output.ShouldContain($"{id}: FramesRendered sent again to render");
        // The same message, so it comes back for the same reason, later: once, as it was taken away when it was sent.
        await Wait.UntilAsync("it was taken up again", async () => (await LettersAsync()).Where(l => l.GetProperty("id").GetString() == id).ToArray() is [var again] && again.GetProperty("at").GetDateTimeOffset() > letter.GetProperty("at").GetDateTimeOffset());
    }

    async Task<IReadOnlyList<JsonElement>> LettersAsync() =>
        [.. JsonDocument.Parse((await cluster.At.RunAsync("cluster", "deadletters", "--json")).Output).RootElement.GetProperty("items").EnumerateArray()];

    [Fact]
    public async Task Every_metric_that_dashboard_and_alerts_name_is_told_by_a_running_server()
    {
        var watch = Path.Combine(Checkout.Root, "compose/watch");
        var named = MetricName().Matches(File.ReadAllText(Path.Combine(watch, "alerts.yml")) + File.ReadAllText(Path.Combine(watch, "dashboard.json"))).Select(m => m.Groups[1].Value).ToHashSet();
        var told = new HashSet<string>();
        using var http = new HttpClient();
        foreach (var host in cluster.Note.Parts.Where(p => p.Kind is ClusterPart.Render or ClusterPart.Gateway))
            told.UnionWith((await http.GetStringAsync(host.Url + "/metrics")).Split('\n').Where(l => l.StartsWith("# TYPE ", StringComparison.Ordinal)).Select(l => l.Split(' ')[2]));
        named.Count.ShouldBeGreaterThan(10);
        named.Except(told).ShouldBeEmpty();
    }

    [Fact]
    public async Task The_brokers_definitions_are_what_the_servers_declare()
    {
        using var definitions = JsonDocument.Parse(File.ReadAllText(Path.Combine(Checkout.Root, "compose/broker/definitions.json")));
        await using var connection = await new RabbitMQ.Client.ConnectionFactory { Uri = new Uri(cluster.Note.Nodes[0].Url) }.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync();
        // Declaring a thing otherwise than it is closes the channel.
        foreach (var exchange in definitions.RootElement.GetProperty("exchanges").EnumerateArray())
        {
            await channel.ExchangeDeclarePassiveAsync(exchange.GetProperty("name").GetString()!);
            await channel.ExchangeDeclareAsync(exchange.GetProperty("name").GetString()!, exchange.GetProperty("type").GetString()!, durable: exchange.GetProperty("durable").GetBoolean(), autoDelete: false);
        }
        foreach (var queue in definitions.RootElement.GetProperty("queues").EnumerateArray())
        {
            await channel.QueueDeclarePassiveAsync(queue.GetProperty("name").GetString()!);
            await channel.QueueDeclareAsync(queue.GetProperty("name").GetString()!, durable: true, exclusive: false, autoDelete: false,
                queue.GetProperty("arguments").EnumerateObject().ToDictionary(a => a.Name, a => (object?)a.Value.GetString()));
        }
    }

    [System.Text.RegularExpressions.GeneratedRegex(@"\b((?:flatrender|http_server)_[a-z_]+?)(?:_bucket|_sum|_count)?\b(?![a-z_])")]
    private static partial System.Text.RegularExpressions.Regex MetricName();

    async Task<TemplateId> TemplateAsync()
    {
        using var api = cluster.Api("gateway-1");
        return (await api.AddTemplateAsync(System.Text.Encoding.UTF8.GetBytes($$"""{"name":"small","lottie":{{SmallLottie.Of()}}}"""), CancellationToken.None)).TemplateId;
    }

    async Task RefusedForNowAsync(ClusterPart gateway, TemplateId template)
    {
        using var http = new HttpClient { DefaultRequestHeaders = { Authorization = new AuthenticationHeaderValue("Bearer", cluster.Secrets.ApiToken) } };
        using var answer = await http.PostAsJsonAsync($"{gateway.Url}/v1/renders", new NewRender(template, null, null, null, null, null, null), Wire.Json);
        answer.StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable, await answer.Content.ReadAsStringAsync());
        answer.Headers.RetryAfter.ShouldNotBeNull();
        (await answer.Content.ReadFromJsonAsync<ErrorEnvelope>(Wire.Json))!.Error.Code.ShouldBe("UNAVAILABLE");
    }

    async Task DoneOnceAsync(JobId job)
    {
        await Wait.UntilAsync("the render is over", async () => await cluster.Book.StepAsync(job) is "render.job.done.v1" or "render.job.failed.v1" or "render.job.cancelled.v1");
        var facts = await cluster.Book.FactsAsync(job);
        facts.Count(f => f.Type == "render.job.done.v1").ShouldBe(1, string.Join(", ", facts.Select(f => f.Type)));
        facts.Select(f => f.Version).ShouldBe(Enumerable.Range(1, facts.Count).Select(v => (long)v));
    }
}
