namespace FlatRender.Contracts;

// Who wants to know how a render ended is told: in the person's own list, and at addresses of the tenant's own (webhooks).
//   GET  /v1/notifications?unread=true        -> Page<Notice>           POST /v1/notifications/{id}/read, POST /v1/notifications/read -> 204
//   GET  /v1/webhooks                         -> Page<WebhookView>      POST /v1/webhooks NewWebhook -> 201 WebhookView
//   DELETE /v1/webhooks/{id}                  -> 204                    POST /v1/webhooks/{id}/enable -> WebhookView
//   GET  /v1/webhooks/{id}/deliveries         -> Page<DeliveryView>
//   GET  /v1/deliveries/{id}                  -> DeliveryLog            POST /v1/deliveries/{id}/replay -> 202 DeliveryView

/// <summary>What a person is told of a render that has ended.</summary>
/// <param name="NoticeId">The event's id: the same wherever it is told.</param>
/// <param name="Event">The event's name: <c>render.job.done.v1</c> ...</param>
/// <param name="ReadAt">Null: not yet, or it is nobody's list.</param>
public sealed record Notice(Guid NoticeId, string Event, JobId JobId, string Title, string Step, string Reason, DateTimeOffset At, DateTimeOffset? ReadAt = null)
{
    /// <summary>The events that anybody is told of.</summary>
    public static readonly IReadOnlyList<string> Events = ["render.job.cancelled.v1", "render.job.done.v1", "render.job.failed.v1"];
}

/// <param name="Events">Of <see cref="Notice.Events"/>; null: all.</param>
public sealed record NewWebhook(string Url, IReadOnlyList<string>? Events);

/// <param name="FailingSince">Nothing has arrived since then; null: the last one did.</param>
/// <param name="DisabledAt">It is told nothing any more, until it is enabled again.</param>
/// <param name="Secret">What calls to it are signed with; said once, when it is made.</param>
public sealed record WebhookView(Guid WebhookId, string Url, IReadOnlyList<string> Events, DateTimeOffset CreatedAt, DateTimeOffset? FailingSince, DateTimeOffset? DisabledAt, string? Secret = null)
{
    public override string ToString() => $"(webhook {WebhookId})";
}

/// <summary>The body of a call to a webhook.</summary>
/// <param name="DeliveryId">The same at every attempt and replay: a receiver that remembers it hears everything once.</param>
public sealed record WebhookCall(Guid DeliveryId, TenantId TenantId, Notice Notice);

/// <param name="State">waiting, delivered or failed.</param>
/// <param name="NextAt">When it is tried next; null: no more.</param>
public sealed record DeliveryView(Guid DeliveryId, Guid WebhookId, string Event, string State, int Attempts, DateTimeOffset QueuedAt, DateTimeOffset? NextAt);

/// <param name="Body">Byte for byte what is sent.</param>
public sealed record DeliveryLog(DeliveryView Delivery, string Body, IReadOnlyList<DeliveryAttempt> Attempts);

/// <param name="Status">The answer's; null: there was none.</param>
/// <param name="Error">Null: it arrived.</param>
public sealed record DeliveryAttempt(int Attempt, DateTimeOffset At, double Seconds, int? Status, string? Error);

/// <summary>The headers of a call to a webhook, beside those of <see cref="SignedHeaders"/> (without a key: there is one secret a webhook).</summary>
public static class WebhookHeaders
{
    public const string Webhook = "X-Webhook-Id", Delivery = "X-Delivery-Id", Event = "X-Event";
}

// What happened.

/// <param name="FactId">The event that is told of.</param>
public sealed record NotificationQueued(Guid DeliveryId, TenantId TenantId, Guid WebhookId, string Channel, Guid FactId, string Event, string By, string Reason);
public sealed record NotificationDelivered(Guid DeliveryId, TenantId TenantId, Guid WebhookId, int Attempts, string Reason);
public sealed record NotificationFailed(Guid DeliveryId, TenantId TenantId, Guid WebhookId, int Attempts, string Reason);
public sealed record WebhookDisabled(Guid WebhookId, TenantId TenantId, DateTimeOffset FailingSince, string Reason);
