using System.Globalization;
using System.Text;
using System.Text.Json;
using RabbitMQ.Client;

namespace FlatRender.Host;

/// <summary>A message that nobody could take in, as it lies there.</summary>
/// <param name="Id">Of the message; the same when it is sent again.</param>
/// <param name="Queue">Where it failed.</param>
/// <param name="Type">Of the message, without its namespace.</param>
/// <param name="Job">The render it is about, where it is about one.</param>
/// <param name="Why">The exception, or what the broker said.</param>
sealed record DeadLetter(string Id, string Queue, string Type, Guid? Job, string Exception, string Why, DateTimeOffset? At, string Body, IReadOnlyDictionary<string, string> Headers)
{
    public static DeadLetter Of(BasicGetResult got)
    {
        var headers = (got.BasicProperties.Headers ?? new Dictionary<string, object?>()).ToDictionary(h => h.Key, h => Text(h.Value));
        var body = Encoding.UTF8.GetString(got.Body.Span);
        using var json = Parsed(body);
        var root = json?.RootElement;
        var enveloped = Member(root, "message_type") is { ValueKind: JsonValueKind.Array } types && types.GetArrayLength() > 0 ? types[0].GetString() : null;
        var type = enveloped ?? headers.GetValueOrDefault("type") ?? headers.GetValueOrDefault("MT-MessageType") ?? "(unknown)";
        var about = enveloped is null ? root : Member(root, "message");
        return new(
            got.BasicProperties.MessageId ?? $"{got.DeliveryTag}",
            QueueOf(headers, got.BasicProperties.Headers) ?? "(unknown)",
            type[(type.LastIndexOf(':') + 1)..],
            Member(about, "job_id") is { ValueKind: JsonValueKind.String } job && job.TryGetGuid(out var id) ? id : null,
            headers.GetValueOrDefault("MT-Fault-ExceptionType") ?? Reason(headers),
            headers.GetValueOrDefault("MT-Fault-Message") ?? Sentence(headers),
            DateTimeOffset.TryParse(headers.GetValueOrDefault("MT-Fault-Timestamp"), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at) ? at : null,
            body, headers);
    }

    // The bus names the address of the queue, the broker the queue.
    static string? QueueOf(Dictionary<string, string> headers, IDictionary<string, object?>? raw)
    {
        if (headers.TryGetValue("MT-Fault-InputAddress", out var address) && Uri.TryCreate(address, UriKind.Absolute, out var uri)) return uri.AbsolutePath.Split('/')[^1];
        return raw?.TryGetValue("x-first-death-queue", out var queue) == true ? Text(queue) : null;
    }

    static string Reason(Dictionary<string, string> headers) =>
        headers.GetValueOrDefault("x-first-death-reason") ?? (headers.GetValueOrDefault("MT-Reason") == "dead-letter" ? "skipped" : "(unknown)");

    static string Sentence(Dictionary<string, string> headers) => Reason(headers) switch
    {
        "delivery_limit" => "It was given out again and again: whoever took it in died or lost its connection each time.",
        "skipped" => "Nobody at this queue takes in messages of this type.",
        "expired" => "It lay too long.",
        var other => other,
    };

    static JsonDocument? Parsed(string body)
    {
        try
        {
            return JsonDocument.Parse(body);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    static JsonElement? Member(JsonElement? of, string name) => of is { ValueKind: JsonValueKind.Object } there && there.TryGetProperty(name, out var member) ? member : null;

    static string Text(object? value) => value switch
    {
        byte[] bytes => Encoding.UTF8.GetString(bytes),
        System.Collections.IDictionary map => string.Join(", ", map.Keys.Cast<object>().Select(k => $"{k}={Text(map[k])}")),
        System.Collections.IEnumerable list and not string => string.Join("; ", list.Cast<object>().Select(Text)),
        AmqpTimestamp time => DateTimeOffset.FromUnixTimeSeconds(time.UnixTime).ToString("O", CultureInfo.InvariantCulture),
        _ => Convert.ToString(value, CultureInfo.InvariantCulture) ?? "",
    };
}
