using FlatRender.Contracts;
using FlatRender.Foundation;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Npgsql;

namespace FlatRender.Notification;

/// <param name="Http">Whether webhooks may be http: too.</param>
/// <param name="Private">Whether they may be in networks that are not the open internet.</param>
/// <param name="Patience">For one call.</param>
/// <param name="Lease">How long a call may be under way before it counts as lost; longer than <paramref name="Patience"/>.</param>
/// <param name="First">The pause after the first failure; it doubles with each, up to <paramref name="Longest"/>.</param>
/// <param name="Window">How long it is tried.</param>
/// <param name="DisableAfter">How long nothing arrives before a webhook is told no more.</param>
public sealed record NotificationSettings(bool Http, bool Private, TimeSpan Patience, TimeSpan Lease, TimeSpan First, TimeSpan Longest, TimeSpan Window, TimeSpan DisableAfter)
{
    /// <summary>FLATRENDER_WEBHOOKS_MAY: nothing, or <c>http</c>, <c>private</c> or both with a comma.</summary>
    public static NotificationSettings FromEnvironment()
    {
        var may = (Environment.GetEnvironmentVariable("FLATRENDER_WEBHOOKS_MAY") ?? "").Split(',', StringSplitOptions.TrimEntries);
        return Default with { Http = may.Contains("http"), Private = may.Contains("private") };
    }

    public static readonly NotificationSettings Default = new(false, false, Patience: TimeSpan.FromSeconds(10), Lease: TimeSpan.FromMinutes(1), First: TimeSpan.FromSeconds(10), Longest: TimeSpan.FromHours(1), Window: TimeSpan.FromHours(24), DisableAfter: TimeSpan.FromDays(5));

    public TimeSpan Backoff(int tried) => tried > 20 || First * Math.Pow(2, tried - 1) is var pause && pause > Longest ? Longest : pause;
}

/// <summary>Tells whoever wants to know how renders ended.</summary>
public sealed class NotificationService : Service
{
    public override string Role => "notification";

    public override Task UpdateSchemaAsync(NpgsqlDataSource database, CancellationToken cancel) => Schema.UpdateAsync(database, "notification", typeof(NotificationService).Assembly, cancel);

    public override void Register(IServiceCollection services)
    {
        services.TryAddSingleton(NotificationSettings.FromEnvironment());
        services.AddProjection<Notices>();
        services.AddSingleton<Webhooks>();
        services.AddSingleton<Deliveries>();
        services.AddSingleton<Deliverer>();
        services.AddHostedService(s => s.GetRequiredService<Deliverer>());
    }

    public override void Map(IEndpointRouteBuilder routes)
    {
        var notices = routes.MapGroup("/v1/notifications").ForPeople().Needs(Permission.RendersRead).WithTags("notifications");
        notices.MapGet("", NotificationDoor.ListAsync).Tells<Page<Notice>>("ListNotifications", "How the person's renders ended, newest first.", 200, 422);
        notices.MapPost("read", NotificationDoor.ReadAllAsync).Tells("ReadAllNotifications", "Marks all of them as read.", 204, null);
        notices.MapPost("{id:guid}/read", NotificationDoor.ReadAsync).Tells("ReadNotification", "Marks one as read.", 204, null, 404);

        var hooks = routes.MapGroup("/v1/webhooks").Needs(Permission.WebhooksManage).WithTags("webhooks");
        hooks.MapGet("", NotificationDoor.WebhooksAsync).Tells<Page<WebhookView>>("ListWebhooks", "The tenant's webhooks, without their secrets.", 200, 422);
        hooks.MapPost("", NotificationDoor.AddAsync).Tells<WebhookView>("AddWebhook", "Makes a webhook; its secret is said this once.", 201, 409, 415, 422);
        hooks.MapDelete("{id:guid}", NotificationDoor.RemoveAsync).Tells("RemoveWebhook", "Removes a webhook; what waited for it has failed.", 204, null, 404);
        hooks.MapPost("{id:guid}/enable", NotificationDoor.EnableAsync).Tells<WebhookView>("EnableWebhook", "Lets a disabled webhook be told again.", 200, 404);
        hooks.MapGet("{id:guid}/deliveries", NotificationDoor.DeliveriesAsync).Tells<Page<DeliveryView>>("ListDeliveries", "What a webhook was told, newest first.", 200, 404, 422);

        var deliveries = routes.MapGroup("/v1/deliveries").Needs(Permission.WebhooksManage).WithTags("webhooks");
        deliveries.MapGet("{id:guid}", NotificationDoor.DeliveryAsync).Tells<DeliveryLog>("GetDelivery", "One delivery: its body, and every attempt.", 200, 404);
        deliveries.MapPost("{id:guid}/replay", NotificationDoor.ReplayAsync).Tells<DeliveryView>("ReplayDelivery", "Sends it again, whatever came of it before.", 202, 404, 409);
    }
}
