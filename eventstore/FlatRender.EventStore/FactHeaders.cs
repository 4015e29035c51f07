using System.Diagnostics;
using System.Text.Json;
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

    /// <summary>Written when first asked for: a message that is ignored needs none.</summary>
    public string Unsigned => _unsigned ??= JsonSerializer.Serialize(new Written(Actor, Trace, MessageId), Wire.Json);

    string? _unsigned;

    public string SignedWith(string hash) => string.Concat(Unsigned.AsSpan(0, Unsigned.Length - 1), ",\"hash\":\"", hash, "\"}");

    sealed record Written(string Actor, string? Trace, Guid? MessageId);
}
