using FlatRender.Contracts;
using FlatRender.Foundation;

namespace FlatRender.Notification;

/// <summary>Notices and webhooks, over HTTP.</summary>
static class NotificationDoor
{
    public static async Task<IResult> ListAsync(HttpContext http, Notices notices, CancellationToken cancel, int page = 1, int page_size = 20, bool unread = false) =>
        Paging.Problem(page, page_size) ?? Results.Json(await notices.ListAsync(Caller.Of(http), unread, page, page_size, cancel), Wire.Json);

    public static async Task<IResult> ReadAsync(Guid id, HttpContext http, Notices notices, TimeProvider clock, CancellationToken cancel) =>
        await notices.MarkReadAsync(Caller.Of(http), id, clock.GetUtcNow(), cancel) ? Results.NoContent() : Refuse.NotFound($"Notification {id}");

    public static async Task<IResult> ReadAllAsync(HttpContext http, Notices notices, TimeProvider clock, CancellationToken cancel)
    {
        await notices.MarkReadAsync(Caller.Of(http), null, clock.GetUtcNow(), cancel);
        return Results.NoContent();
    }

    public static async Task<IResult> WebhooksAsync(HttpContext http, Webhooks webhooks, CancellationToken cancel, int page = 1, int page_size = 20) =>
        Paging.Problem(page, page_size) ?? Results.Json(await webhooks.ListAsync(Caller.Of(http).TenantId, page, page_size, cancel), Wire.Json);

    public static async Task<IResult> AddAsync(NewWebhook ask, HttpContext http, Webhooks webhooks, CancellationToken cancel)
    {
        if (webhooks.Problems(ask) is { Count: > 0 } problems) return Refuse.Invalid("BAD_WEBHOOK", problems[0].Message, problems);
        return await webhooks.AddAsync(Caller.Of(http).TenantId, ask, cancel) is { } view
            ? Results.Json(view, Wire.Json, statusCode: StatusCodes.Status201Created)
            : Refuse.Conflict("TOO_MANY_WEBHOOKS", $"A tenant has at most {Webhooks.Most} webhooks.");
    }

    public static async Task<IResult> RemoveAsync(Guid id, HttpContext http, Deliveries deliveries, CancellationToken cancel) =>
        await deliveries.RemoveWebhookAsync(Caller.Of(http).TenantId, id, cancel) ? Results.NoContent() : Missing(id);

    public static async Task<IResult> EnableAsync(Guid id, HttpContext http, Webhooks webhooks, CancellationToken cancel) =>
        await webhooks.EnableAsync(Caller.Of(http).TenantId, id, cancel) is { } view ? Results.Json(view, Wire.Json) : Missing(id);

    public static async Task<IResult> DeliveriesAsync(Guid id, HttpContext http, Webhooks webhooks, Deliveries deliveries, CancellationToken cancel, int page = 1, int page_size = 20)
    {
        if (Paging.Problem(page, page_size) is { } problem) return problem;
        var tenant = Caller.Of(http).TenantId;
        return await webhooks.FindAsync(tenant, id, cancel) is null ? Missing(id) : Results.Json(await deliveries.ListAsync(tenant, id, page, page_size, cancel), Wire.Json);
    }

    public static async Task<IResult> DeliveryAsync(Guid id, HttpContext http, Deliveries deliveries, CancellationToken cancel) =>
        await deliveries.FindAsync(Caller.Of(http).TenantId, id, cancel) is { } log ? Results.Json(log, Wire.Json) : Refuse.NotFound($"Delivery {id}");

    public static async Task<IResult> ReplayAsync(Guid id, HttpContext http, Deliveries deliveries, CancellationToken cancel) => await deliveries.ReplayAsync(Caller.Of(http), id, cancel) switch
    {
        null => Refuse.NotFound($"Delivery {id}"),
        { Queued: false } => Refuse.Conflict("NO_WEBHOOK", "Its webhook was removed, or is disabled: enable it first."),
        { View: var view } => Results.Json(view, Wire.Json, statusCode: StatusCodes.Status202Accepted),
    };

    static IResult Missing(Guid id) => Refuse.NotFound($"Webhook {id}");
}
