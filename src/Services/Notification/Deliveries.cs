using FlatRender.Contracts;
using FlatRender.Foundation;
using Npgsql;

namespace FlatRender.Notification;

/// <summary>An attempt that this process has taken in hand.</summary>
/// <param name="Attempt">Its number: what comes of an attempt counts only while no later one was begun.</param>
public sealed record Due(Guid DeliveryId, int Attempt, Guid WebhookId, TenantId TenantId, string Url, byte[] SealedSecret, string Event, string Body);

/// <param name="Error">Null: it arrived.</param>
public sealed record Outcome(int? Status, string? Error, double Seconds);

/// <summary>The book of deliveries: what is due, what came of it, and every attempt ever made. Who changes a delivery locks its webhook first, so that no two wait for each other.</summary>
public sealed class Deliveries(NpgsqlDataSource database, Alongside history, NotificationSettings settings, TimeProvider clock)
{
    const string Delivered = "delivered", Failed = "failed", Actor = "notification";
    const string Columns = "delivery_id, webhook_id, event, state, attempts, queued_at, next_at, body";

    /// <summary>Takes what is due; nobody else does while this attempt could still be under way.</summary>
    /// <param name="ofOne">Of one tenant, at most: its slow receivers hold up nobody else's.</param>
    /// <param name="busy">Tenants of whom nothing is taken now.</param>
    public Task<List<Due>> TakeAsync(int most, int ofOne, Guid[] busy, CancellationToken cancel) => database.QueryAsync("""
        UPDATE notification.deliveries d SET attempts = d.attempts + 1, tried = d.tried + 1, next_at = $2
        FROM notification.webhooks w
        WHERE w.webhook_id = d.webhook_id AND d.delivery_id IN (
            SELECT l.delivery_id FROM notification.deliveries l WHERE l.state = 'waiting' AND l.next_at <= $1 AND l.delivery_id = ANY (ARRAY(
                SELECT due.delivery_id FROM (SELECT DISTINCT tenant_id FROM notification.webhooks WHERE tenant_id <> ALL ($5)) t
                CROSS JOIN LATERAL (SELECT o.delivery_id, o.next_at FROM notification.deliveries o WHERE o.tenant_id = t.tenant_id AND o.state = 'waiting' AND o.next_at <= $1 ORDER BY o.next_at LIMIT $4) due
                ORDER BY due.next_at LIMIT $3)) FOR UPDATE SKIP LOCKED)
        RETURNING d.delivery_id, d.attempts, d.webhook_id, d.tenant_id, w.url, w.sealed_secret, d.event, d.body
        """, row => new Due(row.GetGuid(0), row.GetInt32(1), row.GetGuid(2), new TenantId(row.GetGuid(3)), row.GetString(4), row.GetFieldValue<byte[]>(5), row.GetString(6), row.GetString(7)),
        cancel, clock.GetUtcNow(), clock.GetUtcNow() + settings.Lease, most, ofOne, busy);

    /// <summary>Writes down what came of an attempt; a later attempt or a replay has made it meaningless to the delivery, but it was made.</summary>
    public async Task FinishAsync(Due due, Outcome outcome, CancellationToken cancel)
    {
        var now = clock.GetUtcNow();
        await using var db = await database.OpenConnectionAsync(cancel);
        await using var transaction = await db.BeginTransactionAsync(cancel);
        var facts = new List<StreamFacts>();
        var failing = (await db.QueryAsync("SELECT failing_since, disabled_at FROM notification.webhooks WHERE webhook_id = $1 FOR UPDATE", row => (Since: row.Moment(0), Disabled: row.Moment(1)), cancel, due.WebhookId)).SingleOrDefault();
        await db.RunAsync("INSERT INTO notification.attempts (delivery_id, attempt, at, seconds, status, error) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING", cancel, due.DeliveryId, due.Attempt, now, outcome.Seconds, outcome.Status, outcome.Error);
        var mine = await db.QueryAsync("SELECT queued_at, tried FROM notification.deliveries WHERE delivery_id = $1 AND attempts = $2 AND state = 'waiting' FOR UPDATE", row => (At: row.GetFieldValue<DateTimeOffset>(0), Tried: row.GetInt32(1)), cancel, due.DeliveryId, due.Attempt);
        if (outcome.Error is null)
        {
            if (mine.Count > 0)
            {
                await EndAsync(db, due.DeliveryId, Delivered, cancel);
                facts.Add(Of(due, new NotificationDelivered(due.DeliveryId, due.TenantId, due.WebhookId, due.Attempt, $"answered {outcome.Status}")));
            }

            if (failing.Since is not null) await db.RunAsync("UPDATE notification.webhooks SET failing_since = NULL WHERE webhook_id = $1", cancel, due.WebhookId);
        }
        else if (mine is [var it])
        {
            var next = now + settings.Backoff(it.Tried);
            if (next < it.At + settings.Window) await db.RunAsync("UPDATE notification.deliveries SET next_at = $2 WHERE delivery_id = $1", cancel, due.DeliveryId, next);
            else
            {
                await EndAsync(db, due.DeliveryId, Failed, cancel);
                facts.Add(Of(due, new NotificationFailed(due.DeliveryId, due.TenantId, due.WebhookId, due.Attempt, $"not delivered in {settings.Window.TotalHours} hours; at last: {outcome.Error}")));
            }
            if (failing.Since is null) await db.RunAsync("UPDATE notification.webhooks SET failing_since = $2 WHERE webhook_id = $1", cancel, due.WebhookId, now);
            else if (failing.Disabled is null && now - failing.Since >= settings.DisableAfter) facts.AddRange(await DisableAsync(db, due, failing.Since.Value, now, cancel));
        }

        await history.AppendAsync(db, facts, Actor, cancel);
        await transaction.CommitAsync(cancel);
        history.Committed();
    }

    async Task<List<StreamFacts>> DisableAsync(NpgsqlConnection db, Due due, DateTimeOffset since, DateTimeOffset now, CancellationToken cancel)
    {
        await db.RunAsync("UPDATE notification.webhooks SET disabled_at = $2 WHERE webhook_id = $1", cancel, due.WebhookId, now);
        return [new(due.WebhookId, "webhook", [new WebhookDisabled(due.WebhookId, due.TenantId, since, $"nothing has arrived for {settings.DisableAfter.TotalDays} days")]), .. await GiveUpAsync(db, due.WebhookId, due.TenantId, "the webhook was disabled", cancel)];
    }

    /// <summary>Removes a webhook; what waits for it has failed, and its deliveries stay to be looked at.</summary>
    /// <returns>False: the tenant has no such webhook.</returns>
    public async Task<bool> RemoveWebhookAsync(TenantId tenant, Guid id, CancellationToken cancel)
    {
        await using var db = await database.OpenConnectionAsync(cancel);
        await using var transaction = await db.BeginTransactionAsync(cancel);
        if (await db.RunAsync("DELETE FROM notification.webhooks WHERE webhook_id = $1 AND tenant_id = $2", cancel, id, tenant.Value) == 0) return false;
        await history.AppendAsync(db, await GiveUpAsync(db, id, tenant, "the webhook was removed", cancel), Actor, cancel);
        await transaction.CommitAsync(cancel);
        history.Committed();
        return true;
    }

    static async Task<List<StreamFacts>> GiveUpAsync(NpgsqlConnection db, Guid webhook, TenantId tenant, string reason, CancellationToken cancel) => await db.QueryAsync(
        "UPDATE notification.deliveries SET state = 'failed', next_at = NULL WHERE webhook_id = $1 AND state = 'waiting' RETURNING delivery_id, attempts",
        row => new StreamFacts(row.GetGuid(0), Notices.DeliveryKind, [new NotificationFailed(row.GetGuid(0), tenant, webhook, row.GetInt32(1), reason)]), cancel, webhook);

    /// <summary>Sends it again, whatever came of it before, for as long as it was tried at first. One that is being tried at this moment is left alone.</summary>
    /// <returns>Null: the tenant has no such delivery. False: its webhook is gone or disabled.</returns>
    public async Task<(DeliveryView View, bool Queued)?> ReplayAsync(Caller caller, Guid id, CancellationToken cancel)
    {
        await using var db = await database.OpenConnectionAsync(cancel);
        await using var transaction = await db.BeginTransactionAsync(cancel);
        if ((await db.QueryAsync($"SELECT {Columns}, fact_id FROM notification.deliveries WHERE delivery_id = $1 AND tenant_id = $2", row => (View: Read(row), Fact: row.GetGuid(8)), cancel, id, caller.TenantId.Value)) is not [var known]) return null;
        if ((await db.QueryAsync("SELECT 1 FROM notification.webhooks WHERE webhook_id = $1 AND disabled_at IS NULL FOR UPDATE", row => row.GetInt32(0), cancel, known.View.WebhookId)).Count == 0) return (known.View, false);
        var again = await db.QueryAsync($"""
            UPDATE notification.deliveries d SET state = 'waiting', tried = 0, queued_at = $2, next_at = $2
            WHERE delivery_id = $1 AND (state <> 'waiting' OR EXISTS (SELECT 1 FROM notification.attempts a WHERE a.delivery_id = d.delivery_id AND a.attempt = d.attempts)) RETURNING {Columns}
            """, Read, cancel, id, clock.GetUtcNow());
        if (again is not [var view]) return (known.View, true);
        await history.AppendAsync(db, [new(id, Notices.DeliveryKind, [new NotificationQueued(id, caller.TenantId, view.WebhookId, Notices.Channel, known.Fact, view.Event, caller.Name, "replayed")])], caller.Name, cancel);
        await transaction.CommitAsync(cancel);
        history.Committed();
        return (view, true);
    }

    public Task<Page<DeliveryView>> ListAsync(TenantId tenant, Guid webhook, int page, int size, CancellationToken cancel) =>
        database.PageAsync(Columns, "FROM notification.deliveries WHERE webhook_id = $1 AND tenant_id = $2", "queued_at DESC, delivery_id", Read, page, size, cancel, webhook, tenant.Value);

    public async Task<DeliveryLog?> FindAsync(TenantId tenant, Guid id, CancellationToken cancel)
    {
        if (await database.QueryAsync($"SELECT {Columns} FROM notification.deliveries WHERE delivery_id = $1 AND tenant_id = $2", row => (View: Read(row), Body: row.GetString(7)), cancel, id, tenant.Value) is not [var found]) return null;
        return new(found.View, found.Body, await database.QueryAsync("SELECT attempt, at, seconds, status, error FROM notification.attempts WHERE delivery_id = $1 ORDER BY attempt",
            row => new DeliveryAttempt(row.GetInt32(0), row.GetFieldValue<DateTimeOffset>(1), row.GetDouble(2), row.IsDBNull(3) ? null : row.GetInt32(3), row.Text(4)), cancel, id));
    }

    static Task<int> EndAsync(NpgsqlConnection db, Guid id, string state, CancellationToken cancel) => db.RunAsync("UPDATE notification.deliveries SET state = $2, next_at = NULL WHERE delivery_id = $1", cancel, id, state);

    static StreamFacts Of(Due due, object fact) => new(due.DeliveryId, Notices.DeliveryKind, [fact]);

    static DeliveryView Read(NpgsqlDataReader row) => new(row.GetGuid(0), row.GetGuid(1), row.GetString(2), row.GetString(3), row.GetInt32(4), row.GetFieldValue<DateTimeOffset>(5), row.Moment(6));
}
