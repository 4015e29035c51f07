using System.Buffers.Text;
using System.Security.Cryptography;
using FlatRender.Contracts;
using FlatRender.Foundation;
using Npgsql;

namespace FlatRender.Identity;

/// <summary>Keys for a tenant's own programs: the secret is said once, kept sealed, good until revoked.</summary>
public sealed class ApiKeys(NpgsqlDataSource database, Secrets secrets, Alongside history, TimeProvider clock)
{
    const string Kind = "api_key", Prefix = "frk_";

    readonly Seal _seal = new(secrets, Seal.ApiKeys);

    public async Task<ApiKeyView> IssueAsync(Caller caller, string name, IReadOnlyList<string> scopes, CancellationToken cancel)
    {
        var by = caller.Name;
        var secret = Prefix + Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));
        var view = new ApiKeyView(Ids.New(), name, scopes, clock.GetUtcNow(), null, secret);
        await using var db = await database.OpenConnectionAsync(cancel);
        await using var transaction = await db.BeginTransactionAsync(cancel);
        await db.RunAsync("INSERT INTO identity.tenants (tenant_id, name, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", cancel, caller.TenantId.Value, "this installation", view.CreatedAt);
        await db.RunAsync("INSERT INTO identity.api_keys (api_key_id, tenant_id, name, scopes, created_at) VALUES ($1, $2, $3, $4, $5)", cancel, view.ApiKeyId, caller.TenantId.Value, name, scopes.ToArray(), view.CreatedAt);
        await db.RunAsync("INSERT INTO access.api_keys (api_key_id, tenant_id, issued_by, scopes, sealed_secret) VALUES ($1, $2, $3, $4, $5)", cancel,
            view.ApiKeyId, caller.TenantId.Value, caller.UserId.Value, scopes.ToArray(), _seal.Close($"{view.ApiKeyId}", secret));
        await history.AppendAsync(db, [new(view.ApiKeyId, Kind, [new ApiKeyIssued(view.ApiKeyId, caller.TenantId, scopes, by, "issued")])], by, cancel);
        await transaction.CommitAsync(cancel);
        history.Committed();
        return view;
    }

    /// <returns>False: the tenant has no such key. A key that is revoked already stays so.</returns>
    public async Task<bool> RevokeAsync(Caller caller, Guid id, CancellationToken cancel)
    {
        var by = caller.Name;
        await using var db = await database.OpenConnectionAsync(cancel);
        await using var transaction = await db.BeginTransactionAsync(cancel);
        if ((await db.QueryAsync("SELECT 1 FROM identity.api_keys WHERE api_key_id = $1 AND tenant_id = $2 FOR UPDATE", row => row.GetInt32(0), cancel, id, caller.TenantId.Value)).Count == 0) return false;
        if (await db.RunAsync("UPDATE identity.api_keys SET revoked_at = $2 WHERE api_key_id = $1 AND revoked_at IS NULL", cancel, id, clock.GetUtcNow()) == 0) return true;
        await db.RunAsync("DELETE FROM access.api_keys WHERE api_key_id = $1", cancel, id);
        await history.AppendAsync(db, [new(id, Kind, [new ApiKeyRevoked(id, caller.TenantId, by, "revoked")])], by, cancel);
        await transaction.CommitAsync(cancel);
        history.Committed();
        return true;
    }

    public Task<Page<ApiKeyView>> ListAsync(TenantId tenant, int page, int size, CancellationToken cancel) => database.PageAsync(
        "api_key_id, name, scopes, created_at, revoked_at", "FROM identity.api_keys WHERE tenant_id = $1", "created_at DESC, api_key_id",
        row => new ApiKeyView(row.GetGuid(0), row.GetString(1), row.GetFieldValue<string[]>(2), row.GetFieldValue<DateTimeOffset>(3), row.Moment(4)),
        page, size, cancel, tenant.Value);
}
