using System.Diagnostics.Metrics;
using FlatRender.EventStore;
using FlatRender.Foundation;
using Npgsql;

namespace FlatRender.Host;

/// <summary>What the tables say right now: how far readers are behind, what waits, what is stuck. Looked up when somebody asks, and not more often than every few seconds.</summary>
sealed class StoreGauges(NpgsqlDataSource database, ServeOptions options, TimeProvider clock, ILogger<StoreGauges> log) : IDisposable
{
    static readonly TimeSpan Fresh = TimeSpan.FromSeconds(3), Patience = TimeSpan.FromSeconds(3);

    readonly Meter _meter = new("FlatRender.Host");
    readonly SemaphoreSlim _one = new(1);
    Dictionary<string, List<Measurement<double>>> _seen = [];
    long _at;

    static readonly (string Name, string Help, string? Label, string Sql)[] Looks =
    [
        ("flatrender_subscription_lag", "Facts that a reader has not taken in yet.", "subscription",
            "SELECT p.name, greatest((SELECT coalesce(max(seq_id), 0) FROM eventstore.mt_events) - p.last_seq_id, 0)::float FROM eventstore.mt_event_progression p"),
        ("flatrender_agenda_due", "Asks and reminders that are due and not sent.", null, "SELECT '', count(*)::float FROM eventstore.agenda WHERE due <= now()"),
        ("flatrender_agenda_overdue_seconds", "How long the oldest of them has been due.", null, "SELECT '', coalesce(extract(epoch FROM now() - min(due)), 0)::float FROM eventstore.agenda WHERE due <= now()"),
        ("flatrender_renders_open", "Renders that are not over, by state.", "state",
            "SELECT data->>'state', count(*)::float FROM eventstore.mt_doc_renderjob WHERE data->>'state' NOT IN ('Done', 'Failed', 'Cancelled') GROUP BY 1"),
        ("flatrender_renders_stuck", "Renders that are not over and that nothing will remind of.", null,
            "SELECT '', count(*)::float FROM eventstore.mt_doc_renderjob r WHERE r.data->>'state' NOT IN ('Done', 'Failed', 'Cancelled') AND NOT EXISTS (SELECT FROM eventstore.agenda a WHERE a.stream_id = r.id)"),
        ("flatrender_tasks", "Pieces of work, by kind and state; leased ones are leases.", "kind,state",
            "SELECT t.kind || ',' || t.state, count(*)::float FROM render.tasks t JOIN render.jobs j ON j.job_id = t.job_id WHERE t.state <> 'done' AND j.stage <> 'stopped' GROUP BY 1"),
        ("flatrender_nodes", "Nodes, by state.", "state", "SELECT state, count(*)::float FROM render.nodes GROUP BY 1"),
    ];

    /// <summary>Makes the instruments; they read what <see cref="LookAsync"/> saw last.</summary>
    public void Register()
    {
        foreach (var (name, help, _, _) in Looks) _meter.CreateObservableGauge(name, () => Seen(name), description: help);
        _meter.CreateObservableGauge("flatrender_dead_letters", () => Seen("flatrender_dead_letters"), description: "Messages that nobody could take in.");
    }

    IEnumerable<Measurement<double>> Seen(string name) => Volatile.Read(ref _seen).GetValueOrDefault(name) ?? [];

    public async Task LookAsync(CancellationToken cancel)
    {
        await _one.WaitAsync(cancel);
        try
        {
            if (_at != 0 && clock.GetElapsedTime(_at) < Fresh) return;
            using var patience = new CancellationTokenSource(Patience, clock);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(cancel, patience.Token);
            var seen = new Dictionary<string, List<Measurement<double>>>();
            try
            {
                foreach (var (name, _, label, sql) in Looks)
                    seen[name] = await database.QueryAsync(sql, row => Measured(label, row.GetString(0), row.GetDouble(1)), either.Token);
                seen["flatrender_dead_letters"] = [new(await DeadLettersAsync(either.Token))];
            }
            catch (Exception e) when (Away.Is(e) || e is RabbitMQ.Client.Exceptions.BrokerUnreachableException or OperationCanceledException && patience.IsCancellationRequested)
            {
                // The rest of the metrics is worth having; these are missing until it is back, and their absence is an alert of its own.
                log.LogWarning("Not all metrics could be looked up: {Reason}", e.Message);
            }
            Volatile.Write(ref _seen, seen);
            _at = clock.GetTimestamp();
        }
        finally
        {
            _one.Release();
        }
    }

    static Measurement<double> Measured(string? labels, string values, double value) => labels is null
        ? new(value)
        : new(value, labels.Split(',').Zip(values.Split(','), (name, word) => KeyValuePair.Create<string, object?>(name, word)).ToArray());

    async Task<double> DeadLettersAsync(CancellationToken cancel)
    {
        if (options.Deployment.InMemory) return 0;
        await using var connection = await DeadLetters.OpenAsync(options.Deployment.Broker, cancel);
        await using var channel = await connection.CreateChannelAsync(cancellationToken: cancel);
        return await channel.MessageCountAsync(DeadLetters.Name, cancel);
    }

    public void Dispose() => _meter.Dispose();
}
