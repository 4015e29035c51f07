using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace FlatRender.Contracts.Tests;

/// <summary>JSON as YAML in blocks: every text in quotes that a reader of YAML could take for something else.</summary>
static class Yaml
{
    static readonly JsonSerializerOptions s_readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static string Of(JsonNode node)
    {
        var to = new StringBuilder();
        Block(to, node, "");
        return to.ToString();
    }

    static void Block(StringBuilder to, JsonNode node, string indent)
    {
        if (node is JsonObject members)
            foreach (var (key, value) in members)
            {
                to.Append(indent).Append(Text(key)).Append(':');
                Value(to, value, indent + "  ");
            }
        else
            foreach (var item in node.AsArray())
                if (item is JsonObject { Count: > 0 })
                {
                    var inner = new StringBuilder();
                    Block(inner, item, indent + "  ");
                    to.Append(indent).Append("- ").Append(inner, indent.Length + 2, inner.Length - indent.Length - 2);
                }
                else
                {
                    to.Append(indent).Append('-');
                    Value(to, item, indent + "  ");
                }
    }

    static void Value(StringBuilder to, JsonNode? value, string indent)
    {
        switch (value)
        {
            case JsonObject { Count: 0 }: to.Append(" {}\n"); break;
            case JsonArray { Count: 0 }: to.Append(" []\n"); break;
            case JsonObject or JsonArray:
                to.Append('\n');
                Block(to, value, indent);
                break;
            case JsonValue text when text.GetValueKind() == JsonValueKind.String: to.Append(' ').Append(Text((string)text!)).Append('\n'); break;
            default: to.Append(' ').Append(value?.ToJsonString() ?? "null").Append('\n'); break;
        }
    }

    static string Text(string text) => text.Length > 0 && (char.IsLetter(text[0]) || text[0] is '$') && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '.' or '-' or '/' or '$') && text is not ("null" or "true" or "false" or "yes" or "no" or "on" or "off" or "y" or "n")
        ? text
        : JsonSerializer.Serialize(text, s_readable);
}
