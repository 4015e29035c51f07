using System.Buffers.Text;
using System.Security.Cryptography;
using FlatRender.Contracts;
using FlatRender.Foundation;
using Npgsql;

namespace FlatRender.Notification;

/// <summary>Addresses that a tenant wants told.</summary>
public sealed class Webhooks(NpgsqlDataSource database, Secrets secrets, NotificationSettings settings, TimeProvider clock)
{
    /// <summary>Of one tenant.</summary>
    public const int Most = 20;

    const int MostUrl = 2000;
    const string Columns = "webhook_id, url, events, created_at, failing_since, disabled_at";

    readonly Seal _seal = new(secrets, "flatrender webhooks");

    public IReadOnlyList<Problem> Problems(NewWebhook ask)
    {
        var problems = new List<Problem>();
        if (ask.Url is not { Length: > 0 and <= MostUrl } || !Uri.TryCreate(ask.Url, UriKind.Absolute, out var url) || url.Host.Length == 0 || url.UserInfo.Length > 0 || url.Fragment.Length > 0 || !(url.Scheme == Uri.UriSchemeHttps || settings.Http && url.Scheme == Uri.UriSchemeHttp))
            problems.Add(new("url", "BAD_URL", $"A webhook's url is an {(settings.Http ? "http: or https:" : "https:")} address without user or fragment, at most {MostUrl} characters."));
        if (ask.Events is { } events && (events.Count == 0 || events.Except(Notice.Events).Any() || events.Distinct().Count() != events.Count)) problems.Add(new("events", "BAD_EVENTS", $"Events are one or more of {string.Join(", ", Notice.Events)}."));
        return problems;
    }

    /// <returns>Null: the tenant has as many as it may.</returns>
    public async Task<WebhookView?> AddAsync(TenantId tenant, NewWebhook ask, CancellationToken cancel)
    {
        var secret = "frw_" + Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));
        var view = new WebhookView(Ids.New(), new Uri(ask.Url).AbsoluteUri, ask.Events ?? Notice.Events, clock.GetUtcNow(), null, null, secret);
        await using var db = await database.OpenConnectionAsync(cancel);
        await using var transaction = await db.BeginTransactionAsync(cancel);
        await db.RunAsync("SELECT pg_advisory_xact_lock(hashtextextended('webhooks of ' || $1, 0))", cancel, $"{tenant}");
        var added = await db.RunAsync($"""
            INSERT INTO notification.webhooks (webhook_id, tenant_id, url, events, created_at, sealed_secret)
            SELECT $1, $2, $3, $4, $5, $6 WHERE (SELECT count(*) FROM notification.webhooks WHERE tenant_id = $2) < {Most}
            """, cancel, view.WebhookId, tenant.Value, view.Url, view.Events.ToArray(), view.CreatedAt, _seal.Close($"{view.WebhookId}", secret));
        await transaction.CommitAsync(cancel);
        return added == 1 ? view : null;
    }

    public Task<Page<WebhookView>> ListAsync(TenantId tenant, int page, int size, CancellationToken cancel) =>
        database.PageAsync(Columns, "FROM notification.webhooks WHERE tenant_id = $1", "created_at DESC, webhook_id", Read, page, size, cancel, tenant.Value);

    public async Task<WebhookView?> FindAsync(TenantId tenant, Guid id, CancellationToken cancel) =>
        (await database.QueryAsync($"SELECT {Columns} FROM notification.webhooks WHERE webhook_id = $1 AND tenant_id = $2", Read, cancel, id, tenant.Value)).SingleOrDefault();

    /// <summary>What ended while it was disabled is not told later: replay what is wanted.</summary>
    /// <returns>Null: the tenant has no such webhook.</returns>
    public async Task<WebhookView?> EnableAsync(TenantId tenant, Guid id, CancellationToken cancel) =>
        (await database.QueryAsync($"UPDATE notification.webhooks SET disabled_at = NULL, failing_since = NULL WHERE webhook_id = $1 AND tenant_id = $2 RETURNING {Columns}", Read, cancel, id, tenant.Value)).SingleOrDefault();

    /// <returns>Null: sealed with a secret that this installation has no more.</returns>
    public string? Unsealed(Guid id, byte[] secret) => _seal.OpenText($"{id}", secret);

    static WebhookView Read(NpgsqlDataReader row) => new(row.GetGuid(0), row.GetString(1), row.GetFieldValue<string[]>(2), row.GetFieldValue<DateTimeOffset>(3), row.Moment(4), row.Moment(5));
}
