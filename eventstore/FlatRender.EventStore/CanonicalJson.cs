using System.Buffers;
using System.Buffers.Binary;
using System.Numerics;
using System.Text;
using System.Text.Json;

namespace FlatRender.EventStore;

/// <summary>
/// One byte form for all JSON texts of the same value, whatever a store did to them: PostgreSQL's jsonb drops spaces, sorts and merges keys, and rewrites
/// numbers. Objects by sorted keys (the last of equal ones), strings and keys as length and UTF-8, numbers as sign, digits and exponent without leading or trailing zeros.
/// </summary>
public static class CanonicalJson
{
    static readonly JsonDocumentOptions Options = new() { MaxDepth = 64 };

    /// <param name="except">A member of the outermost object to leave out.</param>
    public static void Write(string json, IBufferWriter<byte> to, string? except = null)
    {
        using var document = JsonDocument.Parse(json, Options);
        Write(document.RootElement, to, except);
    }

    static void Write(JsonElement value, IBufferWriter<byte> to, string? except)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                var members = new SortedDictionary<string, JsonElement>(StringComparer.Ordinal);
                foreach (var member in value.EnumerateObject())
                    if (member.Name != except) members[member.Name] = member.Value;
                Mark('{', members.Count, to);
                foreach (var (name, member) in members)
                {
                    Text(name, to);
                    Write(member, to, null);
                }
                break;
            case JsonValueKind.Array:
                Mark('[', value.GetArrayLength(), to);
                foreach (var item in value.EnumerateArray()) Write(item, to, null);
                break;
            case JsonValueKind.String:
                Text(value.GetString()!, to);
                break;
            case JsonValueKind.Number:
                Number(value.GetRawText(), to);
                break;
            default:
                Mark(value.ValueKind switch { JsonValueKind.True => 't', JsonValueKind.False => 'f', _ => 'n' }, 0, to);
                break;
        }
    }

    static void Number(string text, IBufferWriter<byte> to)
    {
        var negative = text[0] == '-';
        var e = text.AsSpan().IndexOfAny('e', 'E');
        var mantissa = text.AsSpan(negative ? 1 : 0, (e < 0 ? text.Length : e) - (negative ? 1 : 0));
        // An exponent may have more digits than an int; PostgreSQL refuses such numbers, but a hash must not throw.
        var exponent = e < 0 ? BigInteger.Zero : BigInteger.Parse(text.AsSpan(e + 1));
        var point = mantissa.IndexOf('.');
        if (point >= 0) exponent -= mantissa.Length - point - 1;
        var digits = (point < 0 ? mantissa.ToString() : string.Concat(mantissa[..point], mantissa[(point + 1)..])).TrimStart('0');
        var significant = digits.TrimEnd('0');
        if (significant.Length == 0) Text("0", to, '#');
        else Text($"{(negative ? "-" : "")}{significant}e{exponent + (digits.Length - significant.Length)}", to, '#');
    }

    static void Text(string text, IBufferWriter<byte> to, char kind = '"')
    {
        Mark(kind, Encoding.UTF8.GetByteCount(text), to);
        Encoding.UTF8.GetBytes(text, to);
    }

    static void Mark(char kind, int count, IBufferWriter<byte> to)
    {
        var span = to.GetSpan(5);
        span[0] = (byte)kind;
        BinaryPrimitives.WriteInt32BigEndian(span[1..], count);
        to.Advance(5);
    }
}
