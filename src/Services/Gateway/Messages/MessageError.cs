using System.Text.Json;
using System.Text.Json.Serialization;
using FlatRender.Contracts;

namespace FlatRender.Gateway.Messages;

/// <summary>Why a request is not answered by its microservice. The types are listed in <c>src/Contracts/messages</c>.</summary>
/// <param name="Type">For programs.</param>
/// <param name="Details">A sentence, for people.</param>
public sealed record MessageError(string Type, string Details)
{
    public const string
        BadRequest = "BadRequest", NotFound = "NotFound", Unauthorized = "Unauthorized", Forbidden = "Forbidden", PayloadTooLarge = "PayloadTooLarge", TooManyRequests = "TooManyRequests",
        ServiceUnavailable = "ServiceUnavailable", Timeout = "Timeout", BadGateway = "BadGateway", InternalError = "InternalError";

    sealed record Told(MessageError Error, [property: JsonPropertyName("event-name"), JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? EventName);

    /// <summary>As the client receives it: both members, always.</summary>
    public byte[] For(string? eventName) => JsonSerializer.SerializeToUtf8Bytes(new Told(this, eventName), Wire.Json);
}
