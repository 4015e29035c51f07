using System.Buffers.Text;
using System.Security.Cryptography;
using FlatRender.Contracts;
using FlatRender.Foundation;
using Npgsql;

namespace FlatRender.Identity;

/// <summary>The keys that tokens are signed with. A new one is published before it signs, and an old one checks until the last token of it has ended.</summary>
public sealed class SigningKeys(NpgsqlDataSource database, Secrets secrets, Tokens tokens, IdentitySettings settings, TimeProvider clock)
{
    /// <summary>Every process has heard of a key by then.</summary>
    static readonly TimeSpan Notice = TimeSpan.FromSeconds(10);

    static readonly TimeSpan Reload = TimeSpan.FromMinutes(1), OldAge = TimeSpan.FromDays(90);

    readonly Seal _seal = new(secrets, "flatrender signing keys");
    readonly SemaphoreSlim _one = new(1);
    volatile Ring? _ring;

    sealed record Ring(IReadOnlyList<SigningKey> Keys, DateTimeOffset At);
    sealed record SigningKey(string Kid, ECDsa Key, DateTimeOffset ActiveFrom);

    public async Task<string> SignAsync(AccessClaims claims, CancellationToken cancel)
    {
        var key = await CurrentAsync(cancel);
        return AccessToken.Sign(claims, key.Kid, key.Key);
    }

    /// <summary>Publishes a new key, which signs from shortly after. Returns its id.</summary>
    public async Task<string> RotateAsync(CancellationToken cancel)
    {
        var kid = await AddAsync(clock.GetUtcNow() + Notice, cancel);
        _ring = null;
        tokens.Forget();
        return kid;
    }

    public async Task<KeySet> PublicAsync(CancellationToken cancel)
    {
        await CurrentAsync(cancel);
        return new(await database.QueryAsync("SELECT kid, alg, public_key FROM access.verification_keys WHERE expires_at > $1 ORDER BY expires_at DESC, kid", row =>
        {
            using var key = ECDsa.Create();
            key.ImportSubjectPublicKeyInfo(row.GetFieldValue<byte[]>(2), out _);
            var point = key.ExportParameters(false).Q;
            return new PublicKey("EC", "P-256", Base64Url.EncodeToString(point.X), Base64Url.EncodeToString(point.Y), row.GetString(0), row.GetString(1), "sig");
        }, cancel, clock.GetUtcNow()));
    }

    async Task<SigningKey> CurrentAsync(CancellationToken cancel)
    {
        if (_ring is { } ring && clock.GetUtcNow() - ring.At < Reload && Active(ring) is { } known) return known;
        await _one.WaitAsync(cancel);
        try
        {
            ring = await LoadAsync(cancel);
            if (Active(ring) is not { } active || clock.GetUtcNow() - ring.Keys[^1].ActiveFrom > OldAge)
            {
                // The very first signs at once: there is no older one to sign meanwhile.
                await AddAsync(clock.GetUtcNow() + (Active(ring) is null ? TimeSpan.Zero : Notice), cancel);
                tokens.Forget();
                ring = await LoadAsync(cancel);
            }
            _ring = ring;
            return Active(ring)!;
        }
        finally
        {
            _one.Release();
        }
    }

    SigningKey? Active(Ring ring) => ring.Keys.LastOrDefault(k => k.ActiveFrom <= clock.GetUtcNow());

    // A key sealed with another secret is none of ours any more: tokens of it still end in their own time.
    async Task<Ring> LoadAsync(CancellationToken cancel) => new([.. (await database.QueryAsync(
        "SELECT kid, sealed_key, active_from FROM identity.signing_keys ORDER BY active_from, kid",
        row => Unsealed(row.GetString(0), row.GetFieldValue<byte[]>(1), row.GetFieldValue<DateTimeOffset>(2)), cancel)).OfType<SigningKey>()], clock.GetUtcNow());

    async Task<string> AddAsync(DateTimeOffset activeFrom, CancellationToken cancel)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var spki = key.ExportSubjectPublicKeyInfo();
        var kid = Base64Url.EncodeToString(SHA256.HashData(spki).AsSpan(0, 12));
        await using var db = await database.OpenConnectionAsync(cancel);
        await using var transaction = await db.BeginTransactionAsync(cancel);
        var now = clock.GetUtcNow();
        var last = activeFrom + (settings.Service > settings.Access ? settings.Service : settings.Access) + TimeSpan.FromMinutes(1);
        // What signed until now goes on checking for as long as its last token lives; older ones go.
        await db.RunAsync("UPDATE access.verification_keys SET expires_at = $1 WHERE expires_at > $1", cancel, last);
        await db.RunAsync("DELETE FROM identity.signing_keys WHERE kid IN (SELECT kid FROM access.verification_keys WHERE expires_at < $1)", cancel, now);
        await db.RunAsync("DELETE FROM access.verification_keys WHERE expires_at < $1", cancel, now);
        await db.RunAsync("INSERT INTO access.verification_keys (kid, alg, public_key, expires_at) VALUES ($1, $2, $3, $4)", cancel, kid, AccessToken.Alg, spki, DateTimeOffset.MaxValue.AddDays(-1));
        await db.RunAsync("INSERT INTO identity.signing_keys (kid, sealed_key, active_from) VALUES ($1, $2, $3)", cancel, kid, _seal.Close(kid, key.ExportPkcs8PrivateKey()), activeFrom);
        await transaction.CommitAsync(cancel);
        return kid;
    }

    SigningKey? Unsealed(string kid, byte[] text, DateTimeOffset activeFrom)
    {
        if (_seal.Open(kid, text) is not { } key) return null;
        var ec = ECDsa.Create();
        ec.ImportPkcs8PrivateKey(key, out _);
        return new(kid, ec, activeFrom);
    }
}
