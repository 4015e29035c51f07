using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace FlatRender.Contracts;

/// <summary>What an access token says of its bearer.</summary>
/// <param name="SessionId">The sign-in it comes from; when that ends, so does the token.</param>
/// <param name="ServiceName">Null: a person. Else the service that calls on behalf of a tenant.</param>
public sealed record AccessClaims(
    UserId UserId, TenantId TenantId, Guid SessionId, IReadOnlyList<string> Roles, IReadOnlyList<string> Permissions, DateTimeOffset IssuedAt, DateTimeOffset ExpiresAt, string? ServiceName = null);

/// <summary>A key that tokens are checked with. Its algorithm belongs to the key: what a token says about that only has to agree.</summary>
public sealed record VerificationKey(string Kid, string Alg, ECDsa Key);

/// <summary>A token that was read, or why it was not.</summary>
/// <param name="Why">Empty where there are claims.</param>
public sealed record AccessReading(AccessClaims? Claims, string Why)
{
    public static AccessReading Refused(string why) => new(null, why);
}

/// <summary>Access tokens: JSON Web Tokens (RFC 7519), signed with ES256 and nothing else.</summary>
public static class AccessToken
{
    public const string Alg = "ES256", Issuer = "flatrender", Audience = "flatrender";

    /// <summary>Longer ones are refused unread.</summary>
    public const int MaxLength = 8192;

    // Clocks of two machines differ a little; a token that was just made is not refused for it.
    static readonly TimeSpan Skew = TimeSpan.FromSeconds(30);

    static readonly JsonSerializerOptions Strict = new(Wire.Json) { AllowDuplicateProperties = false };

    sealed record Header(string Alg, string? Typ, string? Kid, JsonElement? Crit);

    sealed record Payload(
        string Iss, string Aud, UserId? Sub, UserId? UserId, TenantId? TenantId, Guid? Sid, IReadOnlyList<string>? Roles, IReadOnlyList<string>? Permissions, string? ServiceName, long? Iat, long? Nbf, long? Exp);

    public static string Sign(AccessClaims claims, string kid, ECDsa key)
    {
        var (from, to) = (claims.IssuedAt.ToUnixTimeSeconds(), claims.ExpiresAt.ToUnixTimeSeconds());
        var payload = new Payload(Issuer, Audience, claims.UserId, claims.UserId, claims.TenantId, claims.SessionId, claims.Roles, claims.Permissions, claims.ServiceName, from, from, to);
        var signed = $"{Part(new Header(Alg, "JWT", kid, null))}.{Part(payload)}";
        return $"{signed}.{Base64Url.EncodeToString(key.SignData(Encoding.ASCII.GetBytes(signed), HashAlgorithmName.SHA256))}";
    }

    /// <summary>Trusts nothing of the token but what its signature covers: the key comes from <paramref name="keys"/>, the algorithm from the key.</summary>
    public static AccessReading Read(string token, IReadOnlyDictionary<string, VerificationKey> keys, DateTimeOffset now)
    {
        if (!LooksLikeOne(token)) return AccessReading.Refused("It is not a token of ours.");
        var parts = token.Split('.');
        if (Decode<Header>(parts[0]) is not { } header) return AccessReading.Refused("Its header cannot be read.");
        if (header.Kid is null || !keys.TryGetValue(header.Kid, out var key)) return AccessReading.Refused("It is signed with a key that is not ours.");
        if (header.Alg != key.Alg || header.Crit is not null || header.Typ is not (null or "JWT")) return AccessReading.Refused("It is not signed the way our tokens are.");
        if (Bytes(parts[2]) is not { Length: 64 } signature || !key.Key.VerifyData(Encoding.ASCII.GetBytes($"{parts[0]}.{parts[1]}"), signature, HashAlgorithmName.SHA256)) return AccessReading.Refused("Its signature is wrong.");

        if (Decode<Payload>(parts[1]) is not { UserId: { } user, TenantId: { } tenant, Sid: { } session, Iat: { } from, Exp: { } to } payload) return AccessReading.Refused("It does not say all that it must.");
        if (payload.Iss != Issuer) return AccessReading.Refused("Another issuer made it.");
        if (payload.Aud != Audience) return AccessReading.Refused("It was made for another audience.");
        if (to <= now.ToUnixTimeSeconds()) return AccessReading.Refused("It has expired.");
        if ((payload.Nbf ?? from) > (now + Skew).ToUnixTimeSeconds() || to > DateTimeOffset.MaxValue.ToUnixTimeSeconds()) return AccessReading.Refused("It is not valid yet.");
        return new(new AccessClaims(user, tenant, session, payload.Roles ?? [], payload.Permissions ?? [], DateTimeOffset.FromUnixTimeSeconds(from), DateTimeOffset.FromUnixTimeSeconds(to), payload.ServiceName), "");
    }

    /// <summary>Of a size and form worth looking at.</summary>
    public static bool LooksLikeOne(string token) => token.Length <= MaxLength && token.Count(c => c == '.') == 2;

    static string Part<T>(T part) => Base64Url.EncodeToString(JsonSerializer.SerializeToUtf8Bytes(part, Wire.Json));

    static T? Decode<T>(string part) where T : class
    {
        if (Bytes(part) is not { } json) return null;
        try
        {
            return JsonSerializer.Deserialize<T>(json, Strict);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    static byte[]? Bytes(string part)
    {
        try
        {
            return Base64Url.DecodeFromChars(part);
        }
        catch (FormatException)
        {
            return null;
        }
    }
}
