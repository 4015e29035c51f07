using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace FlatRender.Contracts;

/// <summary>How an orchestrator's call to a node is signed: one pure function, used by both sides.</summary>
public static class NodeSignature
{
    /// <summary>How far the two clocks may differ.</summary>
    public static readonly TimeSpan Skew = TimeSpan.FromMinutes(5);

    /// <summary>HMAC-SHA256, lower-case hex, over "METHOD\npath?query\nsha256(body) hex\ntimestamp\nnonce".</summary>
    /// <param name="pathAndQuery">As it stands in the request line, with the query's question mark where there is one.</param>
    /// <param name="timestamp">Unix seconds.</param>
    public static string Of(string secret, string method, string pathAndQuery, ReadOnlySpan<byte> body, long timestamp, string nonce)
    {
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(body, digest);
        var text = string.Create(CultureInfo.InvariantCulture, $"{method.ToUpperInvariant()}\n{pathAndQuery}\n{Convert.ToHexStringLower(digest)}\n{timestamp}\n{nonce}");
        Span<byte> mac = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), Encoding.UTF8.GetBytes(text), mac);
        return Convert.ToHexStringLower(mac);
    }

    /// <summary>Compares in a time that tells nothing about where two signatures differ.</summary>
    public static bool Same(string given, string expected) =>
        CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(given), Encoding.UTF8.GetBytes(expected));
}
