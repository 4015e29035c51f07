using FlatRender.Cli;
using FlatRender.Contracts;
using Npgsql;

namespace FlatRender.Bench;

/// <summary>What the store says afterwards, beside what others heard and what was paid.</summary>
sealed class ChaosLedger(NpgsqlDataSource database)
{
    /// <summary>How each render ended; those that have not are not in it.</summary>
    public async Task<Dictionary<JobId, (string Type, string Data)>> EndsAsync(CancellationToken stop)
    {
        var ends = new Dictionary<JobId, (string, string)>();
        await foreach (var row in RowsAsync("SELECT stream_id, type, data::text FROM eventstore.mt_events WHERE type IN ('render.job.done.v1', 'render.job.failed.v1', 'render.job.cancelled.v1') ORDER BY seq_id", stop))
            ends[new JobId(row.GetGuid(0))] = (row.GetString(1), row.GetString(2));
        return ends;
    }

    public async Task<HashSet<JobId>> BegunAsync(CancellationToken stop)
    {
        var begun = new HashSet<JobId>();
        await foreach (var row in RowsAsync("SELECT stream_id FROM eventstore.mt_events WHERE type = 'render.job.queued.v1'", stop)) begun.Add(new JobId(row.GetGuid(0)));
        return begun;
    }

    public async Task<long> NewestAsync(CancellationToken stop)
    {
        await foreach (var row in RowsAsync("SELECT coalesce(max(seq_id), 0) FROM eventstore.mt_events", stop)) return row.GetInt64(0);
        return 0;
    }

    /// <summary>Facts that stand in the store twice: the same saying in the same stream, an id or a version used again, a version left out.</summary>
    public async Task<IReadOnlyList<string>> DoubledAsync(CancellationToken stop)
    {
        var doubled = new List<string>();
        await foreach (var row in RowsAsync(
            """
            SELECT type || ' of ' || stream_id || ' stands ' || count(*) || ' times' FROM eventstore.mt_events WHERE type LIKE 'render.%' OR type LIKE 'tenant.credits.%' GROUP BY stream_id, type, data HAVING count(*) > 1
            UNION ALL SELECT 'event ' || id || ' stands ' || count(*) || ' times' FROM eventstore.mt_events GROUP BY id HAVING count(*) > 1
            UNION ALL SELECT 'stream ' || stream_id || ' has ' || count(*) || ' facts and ends at version ' || max(version) FROM eventstore.mt_events GROUP BY stream_id HAVING count(*) <> max(version) OR count(DISTINCT version) <> count(*)
            """, stop))
            doubled.Add(row.GetString(0));
        return doubled;
    }

    /// <summary>Facts after <paramref name="mark"/> that the subscriber never heard, and those it heard before one of the same stream that precedes them.</summary>
    public async Task<(IReadOnlyList<string> Undelivered, IReadOnlyList<string> Disordered)> ComparedAsync(IReadOnlyList<HeardFact> heard, long mark, CancellationToken stop)
    {
        var (undelivered, disordered) = (new List<string>(), new List<string>());
        var known = heard.Select(h => h.Seq).ToHashSet();
        var next = new Dictionary<Guid, long>();
        await foreach (var row in RowsAsync("SELECT seq_id, stream_id, version, type FROM eventstore.mt_events ORDER BY seq_id", stop))
        {
            if (row.GetInt64(0) <= mark) next[row.GetGuid(1)] = row.GetInt64(2) + 1;
            else if (!known.Contains(row.GetInt64(0))) undelivered.Add($"{row.GetString(3)} {row.GetInt64(2)} of {row.GetGuid(1)}, seq_id {row.GetInt64(0)}");
        }
        foreach (var fact in heard)
        {
            var due = next.GetValueOrDefault(fact.Stream, 1);
            // Said again, it is older than what is due; a subscriber drops what it knows.
            if (fact.Version > due) disordered.Add($"{fact.Key} {fact.Version} of {fact.Stream} came before version {due}");
            next[fact.Stream] = Math.Max(due, fact.Version + 1);
        }
        return (undelivered, disordered);
    }

    /// <summary>Renders that were paid for otherwise than they ended, and a purse that does not say what its facts sum up to.</summary>
    public async Task<IReadOnlyList<string>> CreditsAsync(IReadOnlyDictionary<JobId, (string Type, string Data)> ends, CreditsView view, CancellationToken stop)
    {
        var wrong = new List<string>();
        var moved = new Dictionary<JobId, (long Held, long Captured, long Refunded)>();
        var granted = 0L;
        await foreach (var row in RowsAsync("SELECT type, coalesce(data->>'job_id', ''), sum((data->>'amount_minor')::bigint)::bigint FROM eventstore.mt_events WHERE type LIKE 'tenant.credits.%' AND stream_id = $1 GROUP BY 1, 2", stop, view.TenantId.Value))
        {
            var amount = row.GetInt64(2);
            if (row.GetString(1) is not { Length: > 0 } job)
            {
                granted += amount;
                continue;
            }
            var id = new JobId(Guid.Parse(job));
            var (held, captured, refunded) = moved.GetValueOrDefault(id);
            moved[id] = row.GetString(0) switch
            {
                "tenant.credits.held.v1" => (held + amount, captured, refunded),
                "tenant.credits.captured.v1" => (held, captured + amount, refunded),
                _ => (held, captured, refunded + amount),
            };
        }
        foreach (var (job, (held, captured, refunded)) in moved)
        {
            var right = ends.GetValueOrDefault(job).Type switch
            {
                "render.job.done.v1" => captured > 0 && held == captured + refunded,
                "render.job.failed.v1" => captured == 0 && held == refunded,
                "render.job.cancelled.v1" => held == captured + refunded,
                _ => false,
            };
            if (!right) wrong.Add($"render {job} ended with {ends.GetValueOrDefault(job).Type ?? "nothing"}: held {held}, captured {captured}, refunded {refunded}");
        }
        wrong.AddRange(ends.Keys.Where(job => !moved.ContainsKey(job)).Select(job => $"render {job} was never paid for"));
        var spent = moved.Values.Sum(m => m.Captured);
        var due = new CreditsView(view.TenantId, granted - spent, 0, spent, granted, 0, view.MaxActiveRenders);
        if (view != due) wrong.Add($"the purse says {view}, its facts {due}");
        return wrong;
    }

    async IAsyncEnumerable<NpgsqlDataReader> RowsAsync(string sql, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken stop, params object[] values)
    {
        await using var command = database.CreateCommand(sql);
        foreach (var value in values) command.Parameters.Add(new() { Value = value });
        await using var rows = await command.ExecuteReaderAsync(stop);
        while (await rows.ReadAsync(stop)) yield return rows;
    }
}
