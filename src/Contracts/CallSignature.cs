using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace FlatRender.Contracts;

/// <summary>How a call is signed, whoever calls: an orchestrator a node, a reseller's program FlatRender, FlatRender a webhook. One pure function, used by both sides.</summary>
public static class CallSignature
{
    /// <summary>How far the two clocks may differ.</summary>
    public static readonly TimeSpan Skew = TimeSpan.FromMinutes(5);

    /// <summary>HMAC-SHA256, lower-case hex, over "METHOD\npath?query\ndigest\ntimestamp\nnonce", and "\nidempotency key" where the call carries one.</summary>
    /// <param name="pathAndQuery">As it stands in the request line, with the query's question mark where there is one.</param>
    /// <param name="digest">Of the body; see <see cref="DigestOf"/>.</param>
    /// <param name="timestamp">Unix seconds.</param>
    public static string Of(string secret, string method, string pathAndQuery, string digest, long timestamp, string nonce, string? idempotencyKey = null)
    {
        var text = string.Create(CultureInfo.InvariantCulture, $"{method.ToUpperInvariant()}\n{pathAndQuery}\n{digest}\n{timestamp}\n{nonce}{(idempotencyKey is null ? "" : "\n" + idempotencyKey)}");
        Span<byte> mac = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), Encoding.UTF8.GetBytes(text), mac);
        return Convert.ToHexStringLower(mac);
    }

    /// <summary>SHA-256, lower-case hex; no body has the digest of nothing.</summary>
    public static string DigestOf(ReadOnlySpan<byte> body)
    {
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(body, digest);
        return Convert.ToHexStringLower(digest);
    }

    /// <summary>Compares in a time that tells nothing about where two signatures differ.</summary>
    public static bool Same(string given, string expected) =>
        CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(given), Encoding.UTF8.GetBytes(expected));
}

/// <summary>What a call brings along to be believed. Whoever checks it remembers the nonce.</summary>
public readonly record struct SignedCall(string Signature, long Timestamp, string Nonce)
{
    /// <returns>Null, or what is wrong with its form.</returns>
    public static (string Code, string Message)? Read(string? signature, string? timestamp, string? nonce, out SignedCall call)
    {
        call = default;
        if (!long.TryParse(timestamp, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds)) return ("BAD_TIMESTAMP", "The timestamp is a whole number of Unix seconds.");
        if (nonce is not { Length: >= 16 and <= 64 } || nonce.Any(c => c is <= ' ' or > '~')) return ("BAD_NONCE", "A nonce has 16 to 64 characters, printable ASCII without spaces.");
        call = new(signature ?? "", seconds, nonce);
        return null;
    }

    /// <returns>Null, or why it is not believed. The clock is looked at last: only who signed rightly is told what time it is here.</returns>
    public (string Code, string Message)? Refuse(string secret, string method, string pathAndQuery, string digest, DateTimeOffset now, string? idempotencyKey = null)
    {
        if (!CallSignature.Same(Signature, CallSignature.Of(secret, method, pathAndQuery, digest, Timestamp, Nonce, idempotencyKey))) return ("BAD_SIGNATURE", "The signature is not that of this call.");
        return Math.Abs((decimal)now.ToUnixTimeSeconds() - Timestamp) > (decimal)CallSignature.Skew.TotalSeconds
            ? ("CLOCK_SKEW", string.Create(CultureInfo.InvariantCulture, $"The call is dated {Timestamp}; here it is {now.ToUnixTimeSeconds()}. Five minutes either way are accepted."))
            : null;
    }

    /// <summary>Until when a nonce must be remembered that is seen now: any process's clock may be ahead or behind.</summary>
    public static DateTimeOffset Forgotten(DateTimeOffset now) => now + 2 * CallSignature.Skew + TimeSpan.FromSeconds(1);
}

/// <summary>The headers of a reseller's call, and of a webhook.</summary>
public static class SignedHeaders
{
    public const string Key = "X-API-Key", Signature = "X-Signature", Timestamp = "X-Timestamp", Nonce = "X-Nonce", Digest = "X-Content-SHA256";

    public static readonly IReadOnlyList<string> All = [Key, Signature, Timestamp, Nonce, Digest];
}
