using System.Buffers;
using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace FlatRender.EventStore;

/// <summary>
/// One byte form for all JSON texts of the same value, whatever a store did to them: PostgreSQL's jsonb drops spaces, sorts and merges keys, and rewrites
/// numbers. Objects by sorted keys (the last of equal ones), strings and keys as length and UTF-8, numbers as sign, digits and exponent without leading or trailing zeros.
/// </summary>
public static class CanonicalJson
{
    static readonly JsonReaderOptions Options = new() { MaxDepth = 64 };

    /// <param name="except">A member of the outermost object to leave out.</param>
    public static void Write(string json, IBufferWriter<byte> to, string? except = null)
    {
        var utf8 = ArrayPool<byte>.Shared.Rent(Encoding.UTF8.GetMaxByteCount(json.Length));
        // Every value of a text takes at most five bytes of head more than the text itself, and no value is shorter than one byte.
        var form = new Form(ArrayPool<byte>.Shared.Rent(json.Length * 9 + 16));
        try
        {
            var reader = new Utf8JsonReader(utf8.AsSpan(0, Encoding.UTF8.GetBytes(json, utf8)), Options);
            reader.Read();
            form.Value(ref reader, except);
            // What follows the value is refused.
            reader.Read();
            to.Write(form.Written);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(utf8);
            form.Return();
        }
    }

    /// <summary>Written in the order of the text; an object's members are put in theirs when all are there.</summary>
    ref struct Form(byte[] bytes)
    {
        const int Head = 5;
        byte[] _bytes = bytes;
        int _at;

        public readonly ReadOnlySpan<byte> Written => _bytes.AsSpan(0, _at);

        public readonly void Return() => ArrayPool<byte>.Shared.Return(_bytes);

        public void Value(ref Utf8JsonReader reader, string? except)
        {
            switch (reader.TokenType)
            {
                case JsonTokenType.StartObject:
                    Object(ref reader, except);
                    break;
                case JsonTokenType.StartArray:
                    var head = Skip();
                    var count = 0;
                    for (; reader.Read() && reader.TokenType != JsonTokenType.EndArray; count++) Value(ref reader, null);
                    Mark(head, '[', count);
                    break;
                case JsonTokenType.String:
                    Text(ref reader);
                    break;
                case JsonTokenType.Number:
                    Number(reader.ValueSpan);
                    break;
                default:
                    Mark(Skip(), reader.TokenType switch { JsonTokenType.True => 't', JsonTokenType.False => 'f', _ => 'n' }, 0);
                    break;
            }
        }

        void Object(ref Utf8JsonReader reader, string? except)
        {
            var head = Skip();
            var members = new List<Member>();
            while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
            {
                var leftOut = except is not null && reader.ValueTextEquals(except);
                var from = _at;
                if (!leftOut) Text(ref reader);
                var name = _at;
                reader.Read();
                if (leftOut) reader.Skip();
                else
                {
                    Value(ref reader, null);
                    members.Add(new(from, name, _at));
                }
            }
            Mark(head, '{', Sort(CollectionsMarshal.AsSpan(members), head + Head));
        }

        /// <returns>How many members there are, each name counted once.</returns>
        int Sort(Span<Member> members, int from)
        {
            var sorted = true;
            for (var i = 1; i < members.Length && sorted; i++) sorted = Compare(_bytes, members[i - 1], members[i]) < 0;
            if (sorted) return members.Length;
            var bytes = _bytes;
            members.Sort((a, b) => Compare(bytes, a, b) is not 0 and var order ? order : a.From - b.From);
            var (length, count) = (_at - from, 0);
            var unsorted = ArrayPool<byte>.Shared.Rent(length);
            _bytes.AsSpan(from, length).CopyTo(unsorted);
            _at = from;
            for (var i = 0; i < members.Length; i++)
            {
                if (i + 1 < members.Length && Same(unsorted, from, members[i], members[i + 1])) continue;
                unsorted.AsSpan(members[i].From - from, members[i].To - members[i].From).CopyTo(_bytes.AsSpan(_at));
                _at += members[i].To - members[i].From;
                count++;
            }
            ArrayPool<byte>.Shared.Return(unsorted);
            return count;
        }

        static bool Same(byte[] unsorted, int from, Member a, Member b) =>
            unsorted.AsSpan(a.From - from, a.Name - a.From).SequenceEqual(unsorted.AsSpan(b.From - from, b.Name - b.From));

        /// <summary>By UTF-16 code units: characters beyond the basic plane come before U+E000, unlike in UTF-8.</summary>
        static int Compare(byte[] bytes, Member a, Member b)
        {
            var left = bytes.AsSpan(a.From + Head, a.Name - a.From - Head);
            var right = bytes.AsSpan(b.From + Head, b.Name - b.From - Head);
            var same = left.CommonPrefixLength(right);
            if (same == left.Length || same == right.Length) return left.Length - right.Length;
            var (l, r) = (left[same], right[same]);
            return l >= 0xEE && r >= 0xEE && l >= 0xF0 != r >= 0xF0 ? r - l : l - r;
        }

        void Number(ReadOnlySpan<byte> text)
        {
            var head = Skip();
            if (text.IndexOfAnyExcept("-0123456789"u8) < 0) Whole(text);
            else Put(Fraction(Encoding.ASCII.GetString(text)));
            Mark(head, '#', _at - head - Head);
        }

        void Whole(ReadOnlySpan<byte> text)
        {
            var negative = text[0] == '-';
            var significant = text[(negative ? 1 : 0)..].TrimEnd((byte)'0');
            // JSON has no leading zeros but that of zero itself.
            if (significant.Length == 0)
            {
                _bytes[_at++] = (byte)'0';
                return;
            }
            text[..(significant.Length + (negative ? 1 : 0))].CopyTo(_bytes.AsSpan(_at));
            _at += significant.Length + (negative ? 1 : 0);
            _bytes[_at++] = (byte)'e';
            (text.Length - (negative ? 1 : 0) - significant.Length).TryFormat(_bytes.AsSpan(_at), out var written, default, System.Globalization.CultureInfo.InvariantCulture);
            _at += written;
        }

        static string Fraction(string text)
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
            return significant.Length == 0 ? "0" : $"{(negative ? "-" : "")}{significant}e{exponent + (digits.Length - significant.Length)}";
        }

        void Put(string ascii) => _at += Encoding.ASCII.GetBytes(ascii, _bytes.AsSpan(_at));

        void Text(ref Utf8JsonReader reader)
        {
            var head = Skip();
            var length = reader.CopyString(_bytes.AsSpan(_at));
            _at += length;
            Mark(head, '"', length);
        }

        int Skip()
        {
            _at += Head;
            return _at - Head;
        }

        readonly void Mark(int head, char kind, int count)
        {
            _bytes[head] = (byte)kind;
            BinaryPrimitives.WriteInt32BigEndian(_bytes.AsSpan(head + 1), count);
        }
    }

    /// <summary>Where a member's name begins, where its value begins, and where it ends.</summary>
    readonly record struct Member(int From, int Name, int To);
}
