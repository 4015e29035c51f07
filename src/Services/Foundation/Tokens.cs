using System.Security.Cryptography;
using System.Text;
using FlatRender.Contracts;
using Npgsql;

namespace FlatRender.Foundation;

/// <summary>What a token comes to.</summary>
/// <param name="Caller">Null: the token opens nothing.</param>
/// <param name="Why">A sentence about why not; empty where there is a caller.</param>
public sealed record Verdict(Caller? Caller, string Why);

/// <summary>Turns a raw token into who calls, or says why not: from a header, from a WebSocket's <c>?token=</c>, from a message.</summary>
public sealed class Tokens(Secrets secrets, NpgsqlDataSource database, TimeProvider clock)
{
    // How late another process may hear that a session has ended.
    static readonly TimeSpan Fresh = TimeSpan.FromSeconds(2);

    volatile Known? _known;

    sealed record Known(Dictionary<string, VerificationKey> Keys, HashSet<Guid> Ended, DateTimeOffset At);

    public async ValueTask<Verdict> CheckAsync(string token, CancellationToken cancel)
    {
        if (Same(token, secrets.ApiToken)) return new(Caller.Owner, "");
        if (!AccessToken.LooksLikeOne(token)) return new(null, "The token is not valid.");
        var known = await KnownAsync(cancel);
        var reading = AccessToken.Read(token, known.Keys, clock.GetUtcNow());
        if (reading.Claims is not { } claims) return new(null, $"The token is not valid. {reading.Why}");
        return known.Ended.Contains(claims.SessionId)
            ? new(null, "The token is not valid. Its session has ended.")
            : new(new Caller(claims.TenantId, claims.UserId, claims.Roles, claims.Permissions, claims.ExpiresAt, claims.SessionId, claims.ServiceName), "");
    }

    /// <summary>Keys or sessions have changed in this process: the next check reads anew.</summary>
    public void Forget() => _known = null;

    public static Task UpdateSchemaAsync(NpgsqlDataSource database, CancellationToken cancel) => Schema.UpdateAsync(database, "access", typeof(Tokens).Assembly, cancel);

    async ValueTask<Known> KnownAsync(CancellationToken cancel)
    {
        var (known, now) = (_known, clock.GetUtcNow());
        if (known is { Keys.Count: > 0 } && now - known.At < Fresh) return known;
        try
        {
            var keys = await database.QueryAsync("SELECT kid, alg, public_key FROM access.verification_keys WHERE expires_at > $1", row => Key(row.GetString(0), row.GetString(1), row.GetFieldValue<byte[]>(2)), cancel, now);
            var ended = await database.QueryAsync("SELECT session_id FROM access.ended_sessions WHERE until > $1", row => row.GetGuid(0), cancel, now);
            return _known = new(keys.ToDictionary(k => k.Kid), [.. ended], now);
        }
        // With the database away, who was known before still is.
        catch (NpgsqlException) when (known is { Keys.Count: > 0 })
        {
            return known;
        }
    }

    static VerificationKey Key(string kid, string alg, byte[] spki)
    {
        var key = ECDsa.Create();
        key.ImportSubjectPublicKeyInfo(spki, out _);
        return new(kid, alg, key);
    }

    /// <summary>In constant time: how long a refusal takes tells nothing about the secret.</summary>
    public static bool Same(string given, string secret) => secret.Length > 0 && CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(given), Encoding.UTF8.GetBytes(secret));
}
