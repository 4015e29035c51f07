using System.Text;
using System.Text.Json;
using System.Text.Unicode;

namespace FlatRender.Gateway.Messages;

/// <summary>What a microservice answered, as its client receives it: the bytes as they came, with the event name that was asked under.</summary>
static class Reply
{
    const int Deepest = 512;

    /// <summary>The event name that an answer itself carries; null: none that can be read.</summary>
    public static string? NameIn(ReadOnlySpan<byte> body)
    {
        try
        {
            return Look(body, out var name, out _, out _) ? name : null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    /// <returns>A copy, also of an error of ours where the answer is none.</returns>
    public static byte[] For(ReadOnlySpan<byte> body, string name, int most)
    {
        // Some have nothing to say but that it is done.
        if (body.IsEmpty) body = "{}"u8;
        if (body.Length > most) return new MessageError(MessageError.BadGateway, "The service's answer is too large.").For(name);
        try
        {
            if (!Utf8.IsValid(body) || !Look(body, out var given, out var place, out var length)) return NoReply(name);
            if (given == name) return body.ToArray();
            return Splice(body, place, length, name);
        }
        catch (JsonException)
        {
            return NoReply(name);
        }
        catch (InvalidOperationException)
        {
            return NoReply(name);
        }
    }

    static byte[] NoReply(string name) => new MessageError(MessageError.BadGateway, "The service's answer is not a JSON object.").For(name);

    /// <param name="place">Of the event name's value, or, where there is none, of the end of the object.</param>
    /// <param name="length">Of that value; 0: there is none; -1: there is nothing at all in the object.</param>
    static bool Look(ReadOnlySpan<byte> body, out string? name, out int place, out int length)
    {
        (name, place, length) = (null, 0, -1);
        var (given, at, size, empty) = ((string?)null, 0, 0, true);
        var reader = new Utf8JsonReader(body, new JsonReaderOptions { MaxDepth = Deepest });
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject) return false;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            empty = false;
            var isName = reader.ValueTextEquals("event-name"u8);
            reader.Read();
            var start = (int)reader.TokenStartIndex;
            if (isName && reader.TokenType == JsonTokenType.String) given = reader.GetString();
            reader.Skip();
            if (isName) (at, size) = (start, (int)reader.BytesConsumed - start);
        }

        if (size == 0) (at, size) = ((int)reader.TokenStartIndex, empty ? -1 : 0);
        while (reader.Read())
        {
        }

        (name, place, length) = (given, at, size);
        return true;
    }

    static byte[] Splice(ReadOnlySpan<byte> body, int place, int length, string name)
    {
        var value = JsonSerializer.SerializeToUtf8Bytes(name, Contracts.Wire.Json);
        var word = length > 0 ? "" : length < 0 ? "\"event-name\":" : ",\"event-name\":";
        return [.. body[..place], .. Encoding.ASCII.GetBytes(word), .. value, .. body[(place + Math.Max(0, length))..]];
    }
}
