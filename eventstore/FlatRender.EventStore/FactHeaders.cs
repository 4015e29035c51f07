using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using FlatRender.Contracts;

namespace FlatRender.EventStore;

/// <summary>What a fact's headers say besides its hash.</summary>
/// <param name="Actor">Who caused it.</param>
/// <param name="Trace">The W3C traceparent it happened under, or null.</param>
/// <param name="MessageId">The message that was being handled, or null.</param>
sealed record FactHeaders(string Actor, string? Trace, Guid? MessageId)
{
    /// <summary>The header in which a message names its actor.</summary>
    public const string ActorHeader = "actor";

    public static FactHeaders Of(string? actor, Guid? messageId) => new(actor ?? "system", Activity.Current?.Id, messageId);

    public string Unsigned { get; } = Json(new JsonObject { ["actor"] = Actor, ["trace"] = Trace, ["message_id"] = MessageId?.ToString() });

    public string SignedWith(string hash) => string.Concat(Unsigned.AsSpan(0, Unsigned.Length - 1), ",\"hash\":\"", hash, "\"}");

    static string Json(JsonObject headers)
    {
        foreach (var name in headers.Where(h => h.Value is null).Select(h => h.Key).ToArray()) headers.Remove(name);
        return headers.ToJsonString(Wire.Json);
    }
}
