using System.Net.Http.Json;
using System.Text.Json;
using FlatRender.Cli;
using FlatRender.Contracts;

namespace FlatRender.SystemTests;

/// <summary>A farm of one slot, so that there is always somebody who waits.</summary>
public sealed class OneSlot : IAsyncLifetime
{
    public Installation At { get; } = new();

    public Task InitializeAsync() => At.UpAsync("--slots", "1");

    public Task DisposeAsync() => At.DisposeAsync().AsTask();
}

/// <summary>Several renders, tenants and nodes at once, and what the command line says of them.</summary>
public sealed class FarmLifeSpecs(OneSlot farm) : IClassFixture<OneSlot>
{
    const int LongFrames = 6000;
    static readonly Dictionary<string, string> s_owner = [];

    Installation At => farm.At;

    [Fact]
    public async Task Beside_a_long_render_another_tenants_small_one_begins_within_two_pieces_and_the_long_one_can_be_cancelled()
    {
        using var api = At.Api();
        var big = await SubmitAsync(api, frames: LongFrames);
        await Wait.UntilAsync("the long render is under way", async () => (await At.Book.WorkAsync(big)).Any(p => p is { Kind: "render", State: "done" }));
        var customer = await CustomerAsync();
        using var others = new Api(At.Note.Url, customer["FLATRENDER_API_TOKEN"], TimeProvider.System);

        var small = await SubmitAsync(others, frames: 6);

        await Wait.UntilAsync("the small render is done", async () => (await others.RenderAsync(small, CancellationToken.None)).Step == Step.Done);
        (await At.Book.StepAsync(big)).ShouldBe("render.job.rendering.v1", "the long render goes on");
        (await At.Book.LeasedBeforeAsync(big, small)).ShouldBeLessThanOrEqualTo(2);

        (await SaysAsync("nodes")).ShouldMatch(@"(?m)^\S+ +local +ready +[01]/1 ");
        (await SaysAsync("why", $"{big}")).ShouldMatch($@"(?s)(UNDER_WAY|NEXT|NO_FREE_SLOT): .*pieces: \d+ waiting, [01] under way, \d+ done\n  (render|validate) \d+ +frames ");
        (await SaysAsync("jobs")).ShouldMatch($@"(?m)^{big} +Rendering +\d+ %");
        (await SaysAsync("cancel", $"{big}", "--reason", "enough of it")).ShouldStartWith($"{big}");
        await Wait.UntilAsync("the long render is cancelled", async () => (await api.RenderAsync(big, CancellationToken.None)).Step == Step.Cancelled);
        (await SaysAsync("jobs", $"{big}")).ShouldMatch(@"(?s)state +Cancelled\nreason +enough of it\n.*render\.job\.cancelled\.v1 +enough of it");
        (await SaysAsync("why", $"{big}")).ShouldBe("OVER: It waits for nothing: it is Cancelled.\n");
        (await SaysAsync("cancel", $"{big}", "--reason", "enough again")).ShouldBe($"{big}  Cancelled  enough of it\n", "a second time changes nothing");
    }

    [Fact]
    public async Task A_tenant_at_its_limit_waits_and_is_told_so_until_the_limit_is_lifted()
    {
        var customer = await CustomerAsync();
        using var api = new Api(At.Note.Url, customer["FLATRENDER_API_TOKEN"], TimeProvider.System);
        var job = await SubmitAsync(api, frames: 6, tags: ["nobody"]);
        await Wait.UntilAsync("the render is planned", async () => (await At.Book.WorkAsync(job)).Count > 0);
        var tenant = $"{(await At.Book.OrderedAsync(job)).TenantId}";

        (await SaysAsync("limits", "tenant", tenant, "0", "--reason", "a holiday")).ShouldBe($"tenant  {tenant}  0 slots\n");

        (await SaysAsync(customer, "why", $"{job}")).ShouldStartWith("TENANT_LIMIT: Its tenant uses 0 of the 0 slots it may use at once.\npieces: 1 waiting, 0 under way, 0 done\n  render 0 ");
        (await SaysAsync(customer, "jobs", $"{job}")).ShouldMatch(@"(?m)^waits for +TENANT_LIMIT: ");
        (await SaysAsync("limits", "tenant", tenant, "none")).ShouldBe("no limits\n");
        (await SaysAsync(customer, "why", $"{job}")).ShouldStartWith("NO_NODE_WITH_TAG: No node that is there has the tag nobody. (1 piece)\n");
    }

    [Fact]
    public async Task A_second_node_joins_with_one_command_draws_what_asks_for_its_tag_and_leaves_when_told_to_end()
    {
        using var api = At.Api();
        var secrets = FlatRender.Cli.Servers.Environment(At.Secrets, connection: null);
        var job = await SubmitAsync(api, frames: 24, tags: ["second"]);
        await Wait.UntilAsync("the render is planned", async () => (await At.Book.WorkAsync(job)).Count > 0);
        (await SaysAsync("why", $"{job}")).ShouldStartWith("NO_NODE_WITH_TAG: No node that is there has the tag second.");

        using var node = At.Start(["node", "--orchestrator", At.Note.Url, "--slots", "1", "--tags", "second", "--name", "second", "--home", Path.Combine(At.Desk, "second")], secrets);

        await Wait.UntilAsync("the render is done", async () => (await api.RenderAsync(job, CancellationToken.None)).Step == Step.Done);
        var second = (await api.FarmAsync(CancellationToken.None)).Nodes.Single(n => n.Name == "second");
        (await At.Book.WorkAsync(job)).Select(p => p.Node).Distinct().ShouldBe([second.NodeId.Value]);
        (await SaysAsync("nodes")).ShouldMatch(@"(?m)^\S+ +second +ready +0/1 +0 +(\S+,)?second\b");
        Signal.Send(node.Pid, Signal.Terminate);
        (await node.EndAsync()).ExitCode.ShouldBe(0);
        (await SaysAsync("nodes")).ShouldMatch(@"(?m)^\S+ +second +left +0/1 ");
    }

    Task<string> SaysAsync(params string[] words) => SaysAsync(s_owner, words);

    /// <param name="caller">Who calls, as the command's environment says it.</param>
    async Task<string> SaysAsync(IReadOnlyDictionary<string, string> caller, params string[] words)
    {
        using var command = At.Start(words, caller);
        var said = await command.EndAsync();
        said.ExitCode.ShouldBe(0, $"{string.Join(' ', words)}: {said}");
        return said.Output;
    }

    static async Task<JobId> SubmitAsync(Api api, int frames, IReadOnlyList<string>? tags = null)
    {
        var bundle = JsonSerializer.SerializeToUtf8Bytes(new { name = "small", lottie = JsonDocument.Parse(SmallLottie.Of(to: $"{frames}")).RootElement }, Wire.Json);
        var template = await api.AddTemplateAsync(bundle, CancellationToken.None);
        return (await api.SubmitAsync(new NewRender(template.TemplateId, new Dictionary<string, string>(), null, null, null, null, null, tags), Ids.New(), CancellationToken.None)).JobId;
    }

    /// <summary>A tenant of one's own, as anybody makes it: the environment in which its commands are called.</summary>
    async Task<IReadOnlyDictionary<string, string>> CustomerAsync()
    {
        using var http = new HttpClient { BaseAddress = new Uri(At.Note.Url) };
        using var answer = await http.PostAsJsonAsync("/v1/auth/register", new NewAccount($"{Ids.New():N}@example.org", "a long enough password 7", "Customer", null), Wire.Json);
        answer.IsSuccessStatusCode.ShouldBeTrue(await answer.Content.ReadAsStringAsync());
        return new Dictionary<string, string> { ["FLATRENDER_URL"] = At.Note.Url, ["FLATRENDER_API_TOKEN"] = (await answer.Content.ReadFromJsonAsync<SignedIn>(Wire.Json))!.AccessToken };
    }
}
