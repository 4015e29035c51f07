using System.Text;
using RabbitMQ.Client;

namespace FlatRender.MessageAdapter;

/// <summary>A request that came through the message gateway, in either dialect.</summary>
/// <param name="RoutingKey">What part of the service is asked.</param>
/// <param name="Url">As the client wrote it.</param>
/// <param name="UserId">Who asks; empty: nobody has signed in.</param>
/// <param name="TenantId">For whom; empty where the route does not tell it.</param>
/// <param name="Permissions">Of who asks, each <c>{microservice}.{resource}.{action}</c>. The gateway has checked what its route demands, and no more.</param>
/// <param name="Content">JSON as the client wrote it; empty: none. Valid until the answer is given.</param>
public sealed record Question(string RoutingKey, string Url, string UserId, string TenantId, IReadOnlyList<string> Permissions, ReadOnlyMemory<byte> Content)
{
    public bool May(string permission) => Permissions.Contains(permission);

    /// <summary>From a message's headers, whichever dialect they are in.</summary>
    public static Question Read(string routingKey, IReadOnlyBasicProperties properties, ReadOnlyMemory<byte> body)
    {
        string Header(string om, string legacy) => Text(properties.Headers, om) ?? Text(properties.Headers, legacy) ?? "";
        var permissions = Text(properties.Headers, "om_permissions")?.Split(';', Clean) ?? Text(properties.Headers, "permissions")?.Split(',', Clean) ?? [];
        return new(Text(properties.Headers, "om_routing_key") ?? routingKey, Header("om_request_url", "request_url"), Header("om_user_id", "user_id"), Header("om_tenant_id", "tenant_id"), permissions, body);
    }

    const StringSplitOptions Clean = StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries;

    static string? Text(IDictionary<string, object?>? headers, string name) => headers is not null && headers.TryGetValue(name, out var value) ? value switch
    {
        byte[] bytes => Encoding.UTF8.GetString(bytes),
        string text => text,
        _ => null,
    } : null;
}
