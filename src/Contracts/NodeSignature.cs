using System.Security.Cryptography;
using System.Text;

namespace FlatRender.Contracts;

/// <summary>How the orchestrator signs its calls to a node, and how the node checks them.</summary>
public static class NodeSignature
{
    /// <summary>HMAC-SHA256 in lower-case hex over method, path with query, SHA-256 of the body, timestamp and nonce, a line each.</summary>
    public static string Of(ReadOnlySpan<byte> secret, string method, string pathAndQuery, ReadOnlySpan<byte> body, string timestamp, string nonce)
    {
        var text = $"{method}\n{pathAndQuery}\n{Convert.ToHexStringLower(SHA256.HashData(body))}\n{timestamp}\n{nonce}";
        return Convert.ToHexStringLower(HMACSHA256.HashData(secret, Encoding.UTF8.GetBytes(text)));
    }

    /// <summary>Compares in constant time: how long a refusal takes tells nothing about the secret.</summary>
    public static bool Matches(string given, string expected) => CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(given), Encoding.UTF8.GetBytes(expected));
}
