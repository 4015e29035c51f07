using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using FlatRender.Contracts;
using FlatRender.Foundation;
using Npgsql;

namespace FlatRender.Identity;

/// <summary>Sign-ins. Each has a family of refresh tokens of which only the newest is good; one that comes twice was stolen from someone, so the whole family ends.</summary>
public sealed class Sessions(NpgsqlDataSource database, Accounts accounts, SigningKeys keys, Tokens tokens, Alongside history, IdentitySettings settings, TimeProvider clock)
{
    public async Task<SignedIn> OpenAsync(Account account, string reason, CancellationToken cancel)
    {
        var session = Ids.New();
        await using var db = await database.OpenConnectionAsync(cancel);
        await using var transaction = await db.BeginTransactionAsync(cancel);
        await db.RunAsync("INSERT INTO identity.sessions (session_id, user_id, created_at) VALUES ($1, $2, $3)", cancel, session, account.UserId.Value, clock.GetUtcNow());
        var refresh = await IssueAsync(db, session, cancel);
        await AppendAsync(db, account, [new UserLoggedIn(account.UserId, account.TenantId, session, reason)], cancel);
        await transaction.CommitAsync(cancel);
        history.Committed();
        return await SignedInAsync(account, session, refresh, cancel);
    }

    /// <returns>The next pair of tokens; null: this one opens nothing.</returns>
    public async Task<SignedIn?> RefreshAsync(string token, CancellationToken cancel)
    {
        await using var db = await database.OpenConnectionAsync(cancel);
        await using var transaction = await db.BeginTransactionAsync(cancel);
        var found = (await db.QueryAsync("""
            SELECT t.session_id, s.user_id, t.used_at IS NOT NULL, t.expires_at, s.ended_at IS NOT NULL
            FROM identity.refresh_tokens t JOIN identity.sessions s USING (session_id) WHERE t.token_hash = $1 FOR UPDATE
            """, row => (Session: row.GetGuid(0), User: new UserId(row.GetGuid(1)), Used: row.GetBoolean(2), Expires: row.GetFieldValue<DateTimeOffset>(3), Ended: row.GetBoolean(4)), cancel, Hash(token))).SingleOrDefault();
        if (found.Session == Guid.Empty || found.Ended || await accounts.FindAsync(found.User, cancel) is not { } account) return null;
        if (found.Used || found.Expires <= clock.GetUtcNow())
        {
            if (found.Used) await EndAsync(db, account, [found.Session], "a refresh token came twice: the whole sign-in ends", cancel);
            await transaction.CommitAsync(cancel);
            Ended();
            return null;
        }
        await db.RunAsync("UPDATE identity.refresh_tokens SET used_at = $2 WHERE token_hash = $1", cancel, Hash(token), clock.GetUtcNow());
        var next = await IssueAsync(db, found.Session, cancel);
        await transaction.CommitAsync(cancel);
        return await SignedInAsync(account, found.Session, next, cancel);
    }

    public async Task EndAsync(Account account, Guid session, string reason, CancellationToken cancel)
    {
        await using var db = await database.OpenConnectionAsync(cancel);
        await using var transaction = await db.BeginTransactionAsync(cancel);
        await EndAsync(db, account, [session], reason, cancel);
        await transaction.CommitAsync(cancel);
        Ended();
    }

    /// <summary>Ends every sign-in of a person, but for <paramref name="except"/>.</summary>
    public async Task EndAllAsync(Account account, Guid? except, string reason, CancellationToken cancel)
    {
        await using var db = await database.OpenConnectionAsync(cancel);
        await using var transaction = await db.BeginTransactionAsync(cancel);
        var open = await db.QueryAsync("SELECT session_id FROM identity.sessions WHERE user_id = $1 AND ended_at IS NULL AND session_id <> $2 ORDER BY session_id", row => row.GetGuid(0), cancel, account.UserId.Value, except ?? Guid.Empty);
        await EndAsync(db, account, open, reason, cancel);
        await transaction.CommitAsync(cancel);
        Ended();
    }

    /// <summary>A token for a service of ours, which says with each call for which tenant it acts.</summary>
    public async Task<ServiceToken> ForServiceAsync(string name, CancellationToken cancel)
    {
        var now = clock.GetUtcNow();
        var claims = new AccessClaims(new UserId(Ids.Derived(Guid.Empty, "service " + name)), default, Ids.New(), [], Permission.Of(Role.Member), now, now + settings.Service, name);
        return new(await keys.SignAsync(claims, cancel), "Bearer", (int)settings.Service.TotalSeconds);
    }

    async Task EndAsync(NpgsqlConnection db, Account account, IReadOnlyCollection<Guid> sessions, string reason, CancellationToken cancel)
    {
        var now = clock.GetUtcNow();
        var ended = await db.QueryAsync("UPDATE identity.sessions SET ended_at = $2 WHERE session_id = ANY ($1) AND ended_at IS NULL RETURNING session_id", row => row.GetGuid(0), cancel, sessions.ToArray(), now);
        if (ended.Count == 0) return;
        await db.RunAsync("DELETE FROM access.ended_sessions WHERE until < $1", cancel, now);
        await db.RunAsync("INSERT INTO access.ended_sessions (session_id, until) SELECT unnest($1), $2 ON CONFLICT DO NOTHING", cancel, ended.ToArray(), now + settings.Access + TimeSpan.FromMinutes(1));
        await AppendAsync(db, account, [.. ended.Select(session => new UserLoggedOut(account.UserId, account.TenantId, session, reason))], cancel);
    }

    Task AppendAsync(NpgsqlConnection db, Account account, IReadOnlyList<object> facts, CancellationToken cancel) =>
        history.AppendAsync(db, [new(account.UserId.Value, Accounts.Kind, facts)], $"user {account.UserId}", cancel);

    void Ended()
    {
        tokens.Forget();
        history.Committed();
    }

    async Task<string> IssueAsync(NpgsqlConnection db, Guid session, CancellationToken cancel)
    {
        var token = "frr_" + Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));
        await db.RunAsync("INSERT INTO identity.refresh_tokens (token_hash, session_id, expires_at) VALUES ($1, $2, $3)", cancel, Hash(token), session, clock.GetUtcNow() + settings.Refresh);
        return token;
    }

    async Task<SignedIn> SignedInAsync(Account account, Guid session, string refresh, CancellationToken cancel)
    {
        var now = clock.GetUtcNow();
        var claims = new AccessClaims(account.UserId, account.TenantId, session, account.Roles, account.Permissions, now, now + settings.Access);
        return new(await keys.SignAsync(claims, cancel), "Bearer", (int)settings.Access.TotalSeconds, refresh, account.View);
    }

    static byte[] Hash(string token) => SHA256.HashData(Encoding.UTF8.GetBytes(token));
}
