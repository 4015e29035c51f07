using FlatRender.Contracts;

namespace FlatRender.Gateway.Tests;

/// <summary>From a render's end to those who want to know, through the running server.</summary>
[Collection(SharedServer.Name)]
public sealed class NotificationSpecs(Server server)
{
    [Fact]
    public async Task A_render_that_is_done_is_told_to_its_owner_and_queued_for_the_tenants_webhook()
    {
        var owner = await server.RegisterAsync();
        // Nobody is called: it is no address of the open internet.
        var hook = await owner.Client.AskAsync<WebhookView>(HttpMethod.Post, "/v1/webhooks", new NewWebhook("https://127.0.0.1:1/told", ["render.job.done.v1"]), 201);
        hook.Secret.ShouldNotBeNull();
        var render = await Renders.SubmitAsync(owner.Client);
        await server.FinishAsync(render.JobId);
        await Renders.Until(async () => (await owner.Client.GetAsync<Page<Notice>>("/v1/notifications?unread=true")).Total == 1, "the notice is there");
        var notice = (await owner.Client.GetAsync<Page<Notice>>("/v1/notifications")).Items.Single();
        (notice.JobId, notice.Step, notice.ReadAt).ShouldBe((render.JobId, Step.Done, null));
        await owner.Client.DoAsync(HttpMethod.Post, $"/v1/notifications/{notice.NoticeId}/read");
        await owner.Client.RefusedAsync(HttpMethod.Post, $"/v1/notifications/{Ids.New()}/read", null, 404);
        await owner.Client.DoAsync(HttpMethod.Post, "/v1/notifications/read");
        (await owner.Client.GetAsync<Page<Notice>>("/v1/notifications?unread=true")).Total.ShouldBe(0);

        DeliveryView? delivery = null;
        await Renders.Until(async () => (delivery = (await owner.Client.GetAsync<Page<DeliveryView>>($"/v1/webhooks/{hook.WebhookId}/deliveries")).Items.SingleOrDefault()) is { Attempts: 1 } && (await LogAsync()).Attempts.Count == 1, "it was tried");
        (await LogAsync()).Attempts.Single().Error!.ShouldStartWith("No answer");
        (await owner.Client.AskAsync<DeliveryView>(HttpMethod.Post, $"/v1/deliveries/{delivery!.DeliveryId}/replay", null, 202)).State.ShouldBe("waiting");
        (await owner.Client.GetAsync<Page<WebhookView>>("/v1/webhooks")).Items.Single().Secret.ShouldBeNull("it is said once");
        await owner.Client.AskAsync<WebhookView>(HttpMethod.Post, $"/v1/webhooks/{hook.WebhookId}/enable");
        await owner.Client.DoAsync(HttpMethod.Delete, $"/v1/webhooks/{hook.WebhookId}");
        await owner.Client.RefusedAsync(HttpMethod.Post, $"/v1/deliveries/{delivery.DeliveryId}/replay", null, 409);

        Task<DeliveryLog> LogAsync() => owner.Client.GetAsync<DeliveryLog>($"/v1/deliveries/{delivery!.DeliveryId}");
    }

    [Fact]
    public async Task A_tenant_has_so_many_webhooks_and_each_is_a_proper_address()
    {
        var owner = await server.RegisterAsync();
        (await owner.Client.RefusedAsync(HttpMethod.Post, "/v1/webhooks", new NewWebhook("http://shop.example/told", []), 422)).Details.Select(d => d.Code).ShouldBe(["BAD_URL", "BAD_EVENTS"]);
        var program = await Signer.IssueAsync(server, owner, Permission.WebhooksManage);
        for (var i = 0; i < 20; i++)
        {
            using var made = await server.Anonymous().SendAsync(program.Call(HttpMethod.Post, "/v1/webhooks", new NewWebhook($"https://shop.example/{i}", null)));
            ((int)made.StatusCode).ShouldBe(201);
        }
        await owner.Client.RefusedAsync(HttpMethod.Post, "/v1/webhooks", new NewWebhook("https://shop.example/more", null), 409);
    }
}
