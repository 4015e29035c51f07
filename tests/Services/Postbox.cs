using System.Collections.Concurrent;
using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.Foundation;
using FlatRender.Notification;
using FlatRender.TestKit;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace FlatRender.Services.Tests;

/// <summary>A call that a webhook got.</summary>
sealed record Heard(string Path, IReadOnlyDictionary<string, string> Headers, string Body);

/// <summary>Somebody else's server, which answers as a test says.</summary>
sealed class Receiver : IAsyncDisposable
{
    readonly WebApplication _app;

    public ConcurrentQueue<Heard> Heard { get; } = [];
    public Func<HttpContext, Task> Answer { get; set; } = _ => Task.CompletedTask;
    public string Url => _app.Urls.First();

    Receiver()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        _app = builder.Build();
        _app.Run(async http =>
        {
            using var reader = new StreamReader(http.Request.Body);
            Heard.Enqueue(new(http.Request.Path + http.Request.QueryString, http.Request.Headers.ToDictionary(h => h.Key, h => h.Value.ToString(), StringComparer.OrdinalIgnoreCase), await reader.ReadToEndAsync()));
            await Answer(http);
        });
    }

    public static async Task<Receiver> OpenAsync()
    {
        var receiver = new Receiver();
        await receiver._app.StartAsync();
        return receiver;
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();
}

/// <summary>The notification room without a bus: its book, what it tells webhooks, and a clock moved by hand.</summary>
sealed class Postbox : IAsyncDisposable
{
    static readonly Secrets Secrets = new("an-api-token-of-a-test", "a-node-token-of-a-test", "a-secret-of-a-test");

    readonly OwnDatabase _database;
    readonly Alongside _history;
    readonly List<Deliverer> _deliverers = [];
    readonly Notices _notices;
    readonly NotificationSettings _settings;

    Postbox(OwnDatabase database, NotificationSettings settings, Receiver receiver)
    {
        (_database, _settings, Receiver) = (database, settings, receiver);
        _history = new(new EventStoreOptions { DataSource = database.Source }, new Wake(), Clock);
        _notices = new(database.Source, Vocabulary.All, _history);
        Webhooks = new(database.Source, Secrets, settings, Clock);
        Deliveries = new(database.Source, _history, settings, Clock);
    }

    public HandClock Clock { get; } = new();
    public Receiver Receiver { get; }
    public Webhooks Webhooks { get; }
    public Deliveries Deliveries { get; }
    public Caller Owner { get; } = Caller.Owner with { TenantId = new TenantId(Ids.New()), UserId = new UserId(Ids.New()) };

    public static async Task<Postbox> OpenAsync(Func<NotificationSettings, NotificationSettings>? with = null)
    {
        var database = await OwnDatabase.CreateAsync();
        await Migration.ApplyAsync(database.Source, "eventstore", default);
        await new NotificationService().UpdateSchemaAsync(database.Source, default);
        var box = new Postbox(database, (with ?? (s => s))(NotificationSettings.Default with { Http = true, Private = true }), await Receiver.OpenAsync());
        await using var db = await database.Source.OpenConnectionAsync();
        await box._notices.CreateAsync(db, "notification", default);
        return box;
    }

    /// <summary>Another process, as it were, that delivers too.</summary>
    public Deliverer Deliverer()
    {
        var deliverer = new Deliverer(Deliveries, Webhooks, _settings, Clock, NullLogger<Deliverer>.Instance);
        _deliverers.Add(deliverer);
        return deliverer;
    }

    public Task DeliverAsync() => (_deliverers.FirstOrDefault() ?? Deliverer()).DeliverDueAsync(default);

    public async Task<WebhookView> HookAsync(string path = "/told", Caller? of = null, params string[] events) => (await Webhooks.AddAsync((of ?? Owner).TenantId, new(Receiver.Url + path, events.Length == 0 ? null : events), default))!;

    /// <summary>A render of the owner's that has ended, in history only: <see cref="TakeInAsync"/> tells of it.</summary>
    public async Task<JobId> EndAsync(bool well = true, Caller? of = null)
    {
        var job = new JobId(Ids.New());
        object end = well ? new JobDone(job, new FilmFile("f", 1, "t", 1, 100, 0), "the film is there") : new JobFailed(job, Step.Rendering, "AE_REPEATED_CRASH", true, "the engine crashed three times");
        await using var db = await _database.Source.OpenConnectionAsync();
        await using var transaction = await db.BeginTransactionAsync();
        await _history.AppendAsync(db, [new(job.Value, "render_job", [new JobQueued(job, (of ?? Owner).TenantId, (of ?? Owner).UserId, "a film", "aa", Farm.Film, 50, [], 1, "submitted"), end])], "a test", default);
        await transaction.CommitAsync();
        return job;
    }

    /// <summary>All of history, as the projection gets it; again, as it would get it in a rebuild.</summary>
    /// <param name="before">What happens before it commits.</param>
    public async Task TakeInAsync(string schema = "notification", Func<Task>? before = null)
    {
        await using var db = await _database.Source.OpenConnectionAsync();
        var history = await db.QueryAsync("SELECT e.seq_id, e.id, e.stream_id, e.version, e.type, e.data::text, e.timestamp, coalesce(e.headers, '{}')::text FROM eventstore.mt_events e ORDER BY e.seq_id",
            row => new RecordedEvent(row.GetInt64(0), row.GetGuid(1), row.GetGuid(2), row.GetInt64(3), row.GetString(4), row.GetString(5), row.GetFieldValue<DateTimeOffset>(6), row.GetString(7)), default);
        await using var transaction = await db.BeginTransactionAsync();
        await _notices.ApplyAsync(db, schema, history, default);
        if (before is not null) await before();
        await transaction.CommitAsync();
    }

    public async Task RebuildAsync()
    {
        await _database.Source.RunAsync("CREATE SCHEMA beside", default);
        await using (var db = await _database.Source.OpenConnectionAsync()) await _notices.CreateAsync(db, "beside", default);
        await TakeInAsync("beside");
    }

    public Task<Page<Notice>> NoticesAsync(Caller? of = null, bool unread = false) => _notices.ListAsync(of ?? Owner, unread, 1, 20, default);

    public Task<bool> ReadAsync(Guid? id, Caller? by = null) => _notices.MarkReadAsync(by ?? Owner, id, Clock.GetUtcNow(), default);

    public async Task<DeliveryView[]> DeliveriesOfAsync(WebhookView hook) => [.. (await Deliveries.ListAsync(Owner.TenantId, hook.WebhookId, 1, 20, default)).Items];

    public async Task<WebhookView> NowAsync(WebhookView hook) => (await Webhooks.FindAsync(Owner.TenantId, hook.WebhookId, default))!;

    /// <summary>Whether anybody at this database waits for a lock.</summary>
    public async Task<bool> SomebodyWaitsAsync() => (await _database.Source.QueryAsync("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'", row => row.GetInt32(0), default)).Count > 0;

    public Task<List<object>> FactsAsync(Guid stream) => _database.Source.QueryAsync("SELECT type, data::text FROM eventstore.mt_events WHERE stream_id = $1 ORDER BY version", row => Vocabulary.All.Read(row.GetString(0), row.GetString(1)), default, stream);

    public async ValueTask DisposeAsync()
    {
        foreach (var deliverer in _deliverers) deliverer.Dispose();
        await Receiver.DisposeAsync();
        await _database.DisposeAsync();
    }
}
