using FlatRender.Cli;
using FlatRender.Contracts;

namespace FlatRender.SystemTests;

/// <summary>Several renders, tenants and nodes at once, and what the command line says of them.</summary>
[Collection(OneSlotTests.Name)]
public sealed class FarmLifeSpecs(OneSlot farm)
{
    const int LongFrames = 6000;

    Installation At => farm.At;

    [Fact]
    public async Task Beside_a_long_render_another_tenants_small_one_begins_within_two_pieces_and_the_long_one_can_be_cancelled()
    {
        using var api = At.Api();
        var big = await OneSlot.SubmitAsync(api, frames: LongFrames);
        await Wait.UntilAsync("the long render is under way", async () => (await At.Book.WorkAsync(big)).Any(p => p is { Kind: "render", State: "done" }));
        var customer = await farm.CustomerAsync();
        using var others = new Api(At.Note.Url, customer["FLATRENDER_API_TOKEN"], TimeProvider.System);

        var small = await OneSlot.SubmitAsync(others, frames: 6);

        await Wait.UntilAsync("the small render is done", async () => (await others.RenderAsync(small, CancellationToken.None)).Step == Step.Done);
        (await At.Book.StepAsync(big)).ShouldBe("render.job.rendering.v1", "the long render goes on");
        (await At.Book.LeasedBeforeAsync(big, small)).ShouldBeLessThanOrEqualTo(2);

        await farm.SaysInTheEndAsync(@"(?m)^\S+ +local +ready +[01]/1 ", "nodes");
        await farm.SaysInTheEndAsync($@"(?s)(UNDER_WAY|NEXT|NO_FREE_SLOT): .*pieces: \d+ waiting, [01] under way, \d+ done\n  (render|validate) \d+ +frames ", "why", $"{big}");
        (await farm.SaysAsync("jobs")).ShouldMatch($@"(?m)^{big} +Rendering +\d+ %");
        (await farm.SaysAsync("cancel", $"{big}", "--reason", "enough of it")).ShouldStartWith($"{big}");
        await Wait.UntilAsync("the long render is cancelled", async () => (await api.RenderAsync(big, CancellationToken.None)).Step == Step.Cancelled);
        (await farm.SaysAsync("jobs", $"{big}")).ShouldMatch(@"(?s)state +Cancelled\nreason +enough of it\n.*render\.job\.cancelled\.v1 +enough of it");
        (await farm.SaysAsync("why", $"{big}")).ShouldBe("OVER: It waits for nothing: it is Cancelled.\n");
        (await farm.SaysAsync("cancel", $"{big}", "--reason", "enough again")).ShouldBe($"{big}  Cancelled  enough of it\n", "a second time changes nothing");
    }

    [Fact]
    public async Task A_tenant_at_its_limit_waits_and_is_told_so_until_the_limit_is_lifted()
    {
        var customer = await farm.CustomerAsync();
        using var api = new Api(At.Note.Url, customer["FLATRENDER_API_TOKEN"], TimeProvider.System);
        var job = await OneSlot.SubmitAsync(api, frames: 6, tags: ["nobody"]);
        await Wait.UntilAsync("the render is planned", async () => (await At.Book.WorkAsync(job)).Count > 0);
        var tenant = $"{(await At.Book.OrderedAsync(job)).TenantId}";

        (await farm.SaysAsync("limits", "tenant", tenant, "0", "--reason", "a holiday")).ShouldBe($"tenant  {tenant}  0 slots\n");

        await farm.SaysInTheEndAsync(customer, "^TENANT_LIMIT: Its tenant uses 0 of the 0 slots it may use at once[.]\npieces: 1 waiting, 0 under way, 0 done\n  render 0 ", "why", $"{job}");
        await farm.SaysInTheEndAsync(customer, @"(?m)^waits for +TENANT_LIMIT: ", "jobs", $"{job}");
        (await farm.SaysAsync("limits", "tenant", tenant, "none")).ShouldBe("no limits\n");
        await farm.SaysInTheEndAsync(customer, "^NO_NODE_WITH_TAG: No node that is there has the tag nobody[.] [(]1 piece[)]\n", "why", $"{job}");
    }

    [Fact]
    public async Task An_urgent_render_begins_within_two_pieces_of_a_long_one_of_the_same_tenant_and_a_plain_one_waits()
    {
        using var api = At.Api();
        var big = await OneSlot.SubmitAsync(api, frames: LongFrames);
        await Wait.UntilAsync("the long render is under way", async () => (await At.Book.WorkAsync(big)).Any(p => p is { Kind: "render", State: "done" }));
        var plain = await OneSlot.SubmitAsync(api, frames: 6);

        var urgent = await OneSlot.SubmitAsync(api, frames: 6, priority: 90);

        await Wait.UntilAsync("the urgent render is done", async () => (await api.RenderAsync(urgent, CancellationToken.None)).Step == Step.Done);
        (await At.Book.LeasedBeforeAsync(big, urgent)).ShouldBeLessThanOrEqualTo(2);
        (await At.Book.StepAsync(big)).ShouldBe("render.job.rendering.v1", "the long render goes on");
        (await At.Book.WorkAsync(plain)).ShouldAllBe(p => p.Epoch == 0, "what is not urgent waits its turn");
        foreach (var job in new[] { big, plain }) await farm.SaysAsync("cancel", $"{job}");
    }

    [Fact]
    public async Task Beside_free_slots_a_tenant_and_a_template_never_hold_more_than_their_limits_until_these_are_lifted()
    {
        var customer = await farm.CustomerAsync();
        using var theirs = new Api(At.Note.Url, customer["FLATRENDER_API_TOKEN"], TimeProvider.System);
        using var ours = At.Api();
        var (wide, narrow) = (await OneSlot.SubmitAsync(theirs, LongFrames, ["crowd"]), await OneSlot.SubmitAsync(theirs, LongFrames + 50, ["crowd"], priority: 90));
        await Wait.UntilAsync("both renders are planned", async () => (await At.Book.WorkAsync(wide)).Count > 0 && (await At.Book.WorkAsync(narrow)).Count > 0);
        var order = await At.Book.OrderedAsync(narrow);
        var (tenant, template) = ($"{order.TenantId}", $"{order.Needs!.Template}");
        await farm.SaysAsync("limits", "tenant", tenant, "2");
        (await farm.SaysAsync("limits", "template", template, "1", "--reason", "it is heavy")).ShouldBe($"template  {template}  1 slots\ntenant    {tenant}  2 slots\n");

        using var node = farm.StartNode("crowd", slots: 3);

        await Wait.UntilAsync("both are well under way", async () => (await At.Book.WorkAsync(wide)).Count(Drawn) >= 3 && (await At.Book.WorkAsync(narrow)).Count(Drawn) >= 3);
        var other = await OneSlot.SubmitAsync(ours, frames: 6, tags: ["crowd"]);
        await Wait.UntilAsync("a slot was free for another tenant", async () => (await ours.RenderAsync(other, CancellationToken.None)).Step == Step.Done);
        (await At.Book.MostAtOnceAsync(narrow)).ShouldBe(1, "its template may use one slot");
        (await At.Book.MostAtOnceAsync(wide, narrow)).ShouldBe(2, "their tenant may use two slots");

        await farm.SaysAsync("limits", "template", template, "none");
        (await farm.SaysAsync("limits", "tenant", tenant, "none")).ShouldBe("no limits\n");
        await Wait.UntilAsync("all slots are used", async () => await At.Book.MostAtOnceAsync(wide, narrow) == 3);
        foreach (var job in new[] { wide, narrow }) await farm.SaysAsync(customer, "cancel", $"{job}");
        Signal.Send(node.Pid, Signal.Terminate);
        (await node.EndAsync()).ExitCode.ShouldBe(0);

        static bool Drawn(Piece piece) => piece is { Kind: "render", State: "done" };
    }

    [Fact]
    public async Task A_second_node_joins_with_one_command_draws_what_asks_for_its_tag_and_leaves_when_told_to_end()
    {
        using var api = At.Api();
        var job = await OneSlot.SubmitAsync(api, frames: 24, tags: ["second"]);
        await Wait.UntilAsync("the render is planned", async () => (await At.Book.WorkAsync(job)).Count > 0);
        await farm.SaysInTheEndAsync("^NO_NODE_WITH_TAG: No node that is there has the tag second[.]", "why", $"{job}");

        using var node = farm.StartNode("second", slots: 1);

        await Wait.UntilAsync("the render is done", async () => (await api.RenderAsync(job, CancellationToken.None)).Step == Step.Done);
        var second = (await api.FarmAsync(CancellationToken.None)).Nodes.Single(n => n.Name == "second");
        (await At.Book.WorkAsync(job)).Select(p => p.Node).Distinct().ShouldBe([second.NodeId.Value]);
        await farm.SaysInTheEndAsync(@"(?m)^\S+ +second +ready +0/1 +0 +(\S+,)?second\b", "nodes");
        Signal.Send(node.Pid, Signal.Terminate);
        (await node.EndAsync()).ExitCode.ShouldBe(0);
        await farm.SaysInTheEndAsync(@"(?m)^\S+ +second +left +0/1 ", "nodes");
    }
}
