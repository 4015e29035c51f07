using System.Text;
using System.Text.Json;

namespace FlatRender.Gateway.Messages;

/// <summary>What a client asks.</summary>
/// <param name="Url">As it was written.</param>
/// <param name="Content">The bytes as they came, so that numbers keep their digits; empty: none, or null.</param>
/// <param name="EventName">Null: nobody waits for an answer.</param>
readonly record struct Incoming(string Url, ReadOnlyMemory<byte> Content, string? Token, string? EventName)
{
    /// <summary>What fits where the broker carries the event name.</summary>
    const int LongestName = 255;

    const int LongestUrl = 1024, Deepest = 512;

    /// <summary>What the broker's messages carry for nobody.</summary>
    public const string Nobody = "null";

    /// <returns>What is asked, or what is wrong with it; in either case with the event name, as far as it could be read.</returns>
    public static (Incoming Asked, MessageError? Error) Read(ReadOnlyMemory<byte> message)
    {
        string? url = null, token = null, name = null, wrong = null;
        ReadOnlyMemory<byte> content = default;
        var seen = 0;
        try
        {
            var reader = new Utf8JsonReader(message.Span, new JsonReaderOptions { MaxDepth = Deepest });
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject) return Bad("A message is a JSON object.", null);
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                var member = reader.ValueTextEquals("url"u8) ? 1 : reader.ValueTextEquals("content"u8) ? 2 : reader.ValueTextEquals("token"u8) ? 4 : reader.ValueTextEquals("event-name"u8) ? 8 : 0;
                if ((seen & member) != 0) wrong ??= "A member is written twice.";
                seen |= member;
                reader.Read();
                switch (member)
                {
                    case 1 when reader.TokenType == JsonTokenType.String:
                        url = reader.GetString();
                        break;
                    case 1:
                        wrong ??= "'url' is a text.";
                        break;
                    case 4 when reader.TokenType is JsonTokenType.String or JsonTokenType.Null:
                        token = reader.GetString();
                        break;
                    case 4:
                        wrong ??= "'token' is a text.";
                        break;
                    case 8 when reader.TokenType is JsonTokenType.String or JsonTokenType.Null:
                        name = reader.GetString();
                        break;
                    case 8:
                        wrong ??= "'event-name' is a text, or null where no answer is wanted.";
                        break;
                }

                var start = (int)reader.TokenStartIndex;
                var nothing = reader.TokenType == JsonTokenType.Null;
                reader.Skip();
                if (member == 2 && !nothing) content = message[start..(int)reader.BytesConsumed];
            }

            // Reads to the end: what follows the object is an error.
            while (reader.Read())
            {
            }
        }
        catch (JsonException)
        {
            return Bad("The message is not JSON.", name);
        }
        catch (InvalidOperationException)
        {
            return Bad("A text holds half a character.", name);
        }

        if (wrong is null && url is null) wrong = "'url' is missing.";
        if (wrong is null && (MessageRoute.Normal(url!).Length == 0 || url!.Length > LongestUrl)) wrong = $"'url' has 1 to {LongestUrl} characters.";
        if (wrong is null && name is not null && (name is "" or Nobody || Encoding.UTF8.GetByteCount(name) > LongestName)) wrong = $"'event-name' has 1 to {LongestName} bytes, and is not the text \"{Nobody}\": services take that for nobody.";
        return wrong is null ? (new(url!, content, token, name), null) : Bad(wrong, name);
    }

    static (Incoming, MessageError?) Bad(string details, string? name) => (new("", default, null, name), new(MessageError.BadRequest, details));
}
