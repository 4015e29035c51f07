using System.Text.RegularExpressions;
using FlatRender.Contracts;
using FlatRender.Foundation;
using Microsoft.AspNetCore.Identity;
using Npgsql;

namespace FlatRender.Identity;

/// <summary>A person as stored.</summary>
public sealed record Account(UserId UserId, TenantId TenantId, string Email, string Name, string PasswordHash, IReadOnlyList<string> Roles, DateTimeOffset CreatedAt)
{
    public IReadOnlyList<string> Permissions => Permission.Of(Roles);
    public UserView View => new(UserId, TenantId, Email, Name, Roles, Permissions, CreatedAt);
    public override string ToString() => $"(account {UserId})";
}

/// <summary>People and their tenants.</summary>
public sealed partial class Accounts(NpgsqlDataSource database, IPasswordHasher<Account> hasher, Alongside history, TimeProvider clock)
{
    public const string Kind = "user";
    const string Columns = "user_id, tenant_id, email, name, password_hash, roles, created_at";
    const int MinPassword = 10, MaxPassword = 200, MaxName = 200, MaxEmail = 254;

    public static string Normal(string email) => email.Trim().ToLowerInvariant();

    /// <summary>Everything wrong with a new account at once.</summary>
    public static IReadOnlyList<Problem> Problems(string? email, string? password, string? name)
    {
        var problems = new List<Problem>();
        if (email is null || Normal(email).Length > MaxEmail || !Address().IsMatch(Normal(email))) problems.Add(new("email", "BAD_EMAIL", "An e-mail address looks like name@example.org."));
        if (password is null || password.Length is < MinPassword or > MaxPassword) problems.Add(new("password", "BAD_PASSWORD", $"A password has {MinPassword} to {MaxPassword} characters."));
        else if (email is not null && password.Equals(email.Trim(), StringComparison.OrdinalIgnoreCase)) problems.Add(new("password", "BAD_PASSWORD", "The password is the e-mail address."));
        if (string.IsNullOrWhiteSpace(name) || name.Length > MaxName || name.Contains('\0')) problems.Add(new("name", "BAD_NAME", $"A name has 1 to {MaxName} characters."));
        return problems;
    }

    /// <summary>A new person, of a new tenant or of <paramref name="tenant"/>.</summary>
    /// <returns>Null: the address is taken.</returns>
    public async Task<Account?> AddAsync(string email, string password, string name, TenantId? tenant, string tenantName, IReadOnlyList<string> roles, string? by, CancellationToken cancel)
    {
        var account = new Account(new UserId(Ids.New()), tenant ?? new TenantId(Ids.New()), Normal(email), name.Trim(), "", roles, clock.GetUtcNow());
        account = account with { PasswordHash = hasher.HashPassword(account, password) };
        await using var db = await database.OpenConnectionAsync(cancel);
        await using var transaction = await db.BeginTransactionAsync(cancel);
        await db.RunAsync("INSERT INTO identity.tenants (tenant_id, name, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", cancel, account.TenantId.Value, tenantName, account.CreatedAt);
        var added = await db.RunAsync($"INSERT INTO identity.users ({Columns}) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (email) DO NOTHING", cancel,
            account.UserId.Value, account.TenantId.Value, account.Email, account.Name, account.PasswordHash, roles.ToArray(), account.CreatedAt);
        if (added == 0) return null;
        by ??= $"user {account.UserId}";
        var registered = new UserRegistered(account.UserId, account.TenantId, roles, by, tenant is null ? "registered" : "added to the tenant");
        await history.AppendAsync(db, [new(account.UserId.Value, Kind, [registered])], by, cancel);
        await transaction.CommitAsync(cancel);
        history.Committed();
        return account;
    }

    public Task<Account?> FindAsync(UserId id, CancellationToken cancel) => OneAsync("user_id = $1", cancel, id.Value);
    public Task<Account?> FindAsync(string email, CancellationToken cancel) => OneAsync("email = $1", cancel, Normal(email));
    public Task<Account?> FindAsync(TenantId tenant, UserId id, CancellationToken cancel) => OneAsync("user_id = $1 AND tenant_id = $2", cancel, id.Value, tenant.Value);

    public Task<Page<UserView>> ListAsync(TenantId tenant, int page, int size, CancellationToken cancel) =>
        database.PageAsync(Columns, "FROM identity.users WHERE tenant_id = $1", "created_at, user_id", row => Read(row).View, page, size, cancel, tenant.Value);

    public async Task<bool> HasTenantAsync(TenantId tenant, CancellationToken cancel) =>
        tenant == Caller.Owner.TenantId || (await database.QueryAsync("SELECT 1 FROM identity.tenants WHERE tenant_id = $1", row => row.GetInt32(0), cancel, tenant.Value)).Count > 0;

    /// <summary>Takes as long for an address without account as for one with.</summary>
    public bool IsPassword(Account? account, string password)
    {
        var verdict = hasher.VerifyHashedPassword(account ?? Nobody, (account ?? Nobody).PasswordHash, password);
        return account is not null && verdict != PasswordVerificationResult.Failed;
    }

    public Task SetPasswordAsync(Account account, string password, CancellationToken cancel) => ChangeAsync(account, "password_hash = $2", hasher.HashPassword(account, password),
        new UserPasswordChanged(account.UserId, account.TenantId, "changed by the person"), $"user {account.UserId}", cancel);

    public Task SetRolesAsync(Account account, IReadOnlyList<string> roles, string by, CancellationToken cancel) => ChangeAsync(account, "roles = $2", roles.ToArray(),
        new UserRolesChanged(account.UserId, account.TenantId, roles, by, "roles were given"), by, cancel);

    public Task RemoveAsync(Account account, string by, CancellationToken cancel) => ChangeAsync(account, null, null, new UserRemoved(account.UserId, account.TenantId, by, "removed from the tenant"), by, cancel);

    public Task LockedAsync(Account account, DateTimeOffset until, CancellationToken cancel) => ChangeAsync(account, "name = name", null, new UserLocked(account.UserId, account.TenantId, until, "too many wrong passwords"), "identity", cancel);

    // The row and the fact of it, in one transaction. Nothing to set: the row goes.
    async Task ChangeAsync(Account account, string? set, object? value, object fact, string by, CancellationToken cancel)
    {
        await using var db = await database.OpenConnectionAsync(cancel);
        await using var transaction = await db.BeginTransactionAsync(cancel);
        object[] values = value is null ? [account.UserId.Value] : [account.UserId.Value, value];
        await db.RunAsync(set is null ? "DELETE FROM identity.users WHERE user_id = $1" : $"UPDATE identity.users SET {set} WHERE user_id = $1", cancel, values);
        await history.AppendAsync(db, [new(account.UserId.Value, Kind, [fact])], by, cancel);
        await transaction.CommitAsync(cancel);
        history.Committed();
    }

    async Task<Account?> OneAsync(string where, CancellationToken cancel, params object[] values) => (await database.QueryAsync($"SELECT {Columns} FROM identity.users WHERE {where}", Read, cancel, values)).SingleOrDefault();

    static Account Read(NpgsqlDataReader row) => new(new UserId(row.GetGuid(0)), new TenantId(row.GetGuid(1)), row.GetString(2), row.GetString(3), row.GetString(4), row.GetFieldValue<string[]>(5), row.GetFieldValue<DateTimeOffset>(6));

    Account Nobody => field ??= MakeNobody();

    Account MakeNobody()
    {
        var nobody = new Account(default, default, "", "", "", [], default);
        return nobody with { PasswordHash = hasher.HashPassword(nobody, "nobody's password") };
    }

    [GeneratedRegex(@"^[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f.]+(\.[^@\s\x00-\x1f.]+)+$")]
    private static partial Regex Address();
}
