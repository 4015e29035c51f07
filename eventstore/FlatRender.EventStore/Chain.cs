using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace FlatRender.EventStore;

/// <summary>The chain of hashes through a stream: a fact's hash covers the one before it, so a changed history shows.</summary>
public static class Chain
{
    [ThreadStatic]
    static ArrayBufferWriter<byte>? _bytes;

    /// <summary>
    /// SHA-256, lower-case hex, over: the previous fact's hash (32 zero bytes before the first), stream id (16 bytes, big endian), version, event id,
    /// type (length, UTF-8), time (microseconds since 1970), data and headers in canonical form (the headers without <c>hash</c>).
    /// </summary>
    public static string Hash(string? previous, Guid streamId, long version, Guid eventId, string type, DateTimeOffset at, string data, string headers)
    {
        var bytes = _bytes ??= new ArrayBufferWriter<byte>(2048);
        bytes.ResetWrittenCount();
        if (previous is null) bytes.Write(stackalloc byte[32]);
        else
        {
            if (Convert.FromHexString(previous, bytes.GetSpan(previous.Length), out _, out var written) != OperationStatus.Done) throw new FormatException($"'{previous}' is no hash.");
            bytes.Advance(written);
        }
        Span<byte> fixedPart = stackalloc byte[52];
        streamId.TryWriteBytes(fixedPart, bigEndian: true, out _);
        BinaryPrimitives.WriteInt64BigEndian(fixedPart[16..], version);
        eventId.TryWriteBytes(fixedPart[24..], bigEndian: true, out _);
        BinaryPrimitives.WriteInt64BigEndian(fixedPart[40..], (at.UtcTicks - DateTimeOffset.UnixEpoch.Ticks) / 10);
        BinaryPrimitives.WriteInt32BigEndian(fixedPart[48..], Encoding.UTF8.GetByteCount(type));
        bytes.Write(fixedPart);
        Encoding.UTF8.GetBytes(type, bytes);
        CanonicalJson.Write(data, bytes);
        CanonicalJson.Write(headers, bytes, except: "hash");
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(bytes.WrittenSpan, hash);
        return Convert.ToHexStringLower(hash);
    }

    /// <summary>Whether the event's hash follows from the event as it is stored and the hash before it. False also where it carries none.</summary>
    public static bool Holds(string? previous, RecordedEvent e) =>
        e.Header("hash") is { } hash && hash == Hash(previous, e.StreamId, e.Version, e.EventId, e.Type, e.Timestamp, e.Data, e.Headers);
}
