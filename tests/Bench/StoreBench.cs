using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.Sagas;
using MassTransit;
using Npgsql;

namespace FlatRender.Bench;

/// <summary>The event store beside pgbench on the same server: appends, whole transitions, relay, rebuild, audit.</summary>
sealed class StoreBench(NpgsqlDataSource source, NpgsqlConnectionStringBuilder server, Figures figures, bool quick)
{
    /// <summary>As many streams at once as fill our largest commits.</summary>
    const int Wide = 512;

    readonly TimeProvider _clock = TimeProvider.System;
    readonly PgBench _peer = new(server);
    readonly int _seconds = quick ? 3 : 10;
    readonly long _facts = quick ? 50_000 : 1_000_000;

    public static async Task<Figures> RunAsync(bool quick)
    {
        var given = Environment.GetEnvironmentVariable("FLATRENDER_TEST_DATABASE") ?? throw new InvalidOperationException("FLATRENDER_TEST_DATABASE is not set. Run ./flatrender bench: it starts a private PostgreSQL and sets it.");
        var figures = new Figures("Event store");
        var server = new NpgsqlConnectionStringBuilder(given) { MaxPoolSize = 64 };
        await using var admin = NpgsqlDataSource.Create(given);
        server.Database = "bench_" + Ids.New().ToString("N")[..8];
        await using (var create = admin.CreateCommand($"CREATE DATABASE {server.Database}")) await create.ExecuteNonQueryAsync();
        try
        {
            await using var source = NpgsqlDataSource.Create(server.ToString());
            await Migration.ApplyAsync(source, "eventstore");
            await PgBench.PrepareAsync(source);
            await new StoreBench(source, server, figures, quick).RunAsync();
        }
        finally
        {
            await using var drop = admin.CreateCommand($"DROP DATABASE {server.Database} WITH (FORCE)");
            await drop.ExecuteNonQueryAsync();
        }
        return figures;
    }

    async Task RunAsync()
    {
        var rabbit = Environment.GetEnvironmentVariable("FLATRENDER_TEST_RABBITMQ");
        var cpu = new Cpu(Cpu.PostmasterOf(await ScalarAsync<int>("SELECT pg_backend_pid()")), rabbit is null ? null : Cpu.Listener(new Uri(rabbit).Port is > 0 and var port ? port : 5672));

        // The peer before, between and after: the machine may be busier at one moment than at another.
        var before = await _peer.RunAsync(_seconds);
        var append = await AppendAsync(64, cpu);
        var wide = await AppendAsync(Wide, cpu);
        var plain = await PlainAsync(cpu);
        var memory = await TransitionsAsync("memory", cpu);
        var bare = await BareAsync("memory", cpu);
        var between = await _peer.RunAsync(_seconds);
        var broker = rabbit is null ? null : await TransitionsAsync(rabbit, cpu);
        var bareBroker = rabbit is null ? null : await BareAsync(rabbit, cpu);
        var after = rabbit is null ? between : await _peer.RunAsync(_seconds);
        double peer = (before + between) / 2, brokerPeer = (between + after) / 2;

        figures.Add("pgbench_tps", peer, $"pgbench, {PgBench.Clients} clients, one update and one insert a transaction, mean of before and after");
        figures.Add("append_per_s", append.PerSecond, "bare store: one fact, its memory and the chain hash a unit, 64 streams at once");
        figures.Add("append_vs_pgbench", append.PerSecond / peer, "", "4");
        figures.Add("append_cpu_ms", append.CpuMs, cpu.SeesDatabase ? "processor time a unit, client and database together" : "processor time a unit, client only: the database is not on this machine");
        figures.Add("append_cpu_ms_client", append.OwnMs, "of these, in this process");
        figures.Add("append_units_per_commit", append.UnitsPerCommit, "how many units went into one commit");
        figures.Add("append_wide_per_s", wide.PerSecond, $"the same, {Wide} streams at once");
        figures.Add("append_wide_vs_pgbench", wide.PerSecond / peer, "");
        figures.Add("append_wide_cpu_ms", wide.CpuMs, "");
        figures.Add("append_wide_units_per_commit", wide.UnitsPerCommit, "");
        figures.Add("plain_per_s", plain.PerSecond, $"the limit: the same rows by plain statements of {PlainRows.Batch} units from ready-made text, unguarded, unhashed");
        figures.Add("plain_vs_pgbench", plain.PerSecond / peer, "");
        figures.Add("plain_cpu_ms", plain.CpuMs, "");
        figures.Add("append_vs_plain", append.PerSecond / plain.PerSecond, "");
        figures.Add("append_wide_vs_plain", wide.PerSecond / plain.PerSecond, "");
        figures.Add("transition_memory_per_s", memory.PerSecond, $"facts through bus, machine, store, relay and agenda in one process, {House.Lanes} renders in flight");
        figures.Add("transition_memory_vs_pgbench", memory.PerSecond / peer, "", "2");
        figures.Add("cpu_ms_per_transition", memory.CpuMs, cpu.SeesDatabase ? "client and database together, in memory mode" : "client only: the database is not on this machine", "< 0.4");
        figures.Add("cpu_ms_per_transition_client", memory.OwnMs, "of these, in this process");
        figures.Add("transition_units_per_commit", memory.UnitsPerCommit, "how many went into one commit, in memory mode");
        figures.Add("bare_memory_per_s", bare.PerSecond, "the limit: the same steps by MassTransit alone, its memory a dictionary, nothing stored");
        figures.Add("bare_memory_vs_pgbench", bare.PerSecond / peer, "");
        figures.Add("transition_memory_vs_bare", memory.PerSecond / bare.PerSecond, "");
        figures.Add("cpu_ms_per_bare", bare.CpuMs, "this process; of a transition's processor time, what bus and machine cost without a store");
        figures.Add("transition_rabbit_per_s", broker?.PerSecond, rabbit is null ? "not measured: FLATRENDER_TEST_RABBITMQ is not set" : "the same over RabbitMQ");
        figures.Add("transition_rabbit_vs_pgbench", broker?.PerSecond / brokerPeer, "", "0.7");
        figures.Add("cpu_ms_per_transition_rabbit", broker?.CpuMs, cpu.SeesBroker ? "client, database and broker together" : "without the broker, which is not on this machine", "< 0.9");
        figures.Add("bare_rabbit_per_s", bareBroker?.PerSecond, "the limit over RabbitMQ: nothing stored, publishes not confirmed");
        figures.Add("bare_rabbit_vs_pgbench", bareBroker?.PerSecond / brokerPeer, "");
        figures.Add("transition_rabbit_vs_bare", broker?.PerSecond / bareBroker?.PerSecond, "");
        figures.Add("cpu_ms_per_bare_rabbit", bareBroker?.CpuMs, "this process and the broker");
        await RelayAsync();
        await HistoryAsync(cpu);

        figures.Set("quick", quick);
        figures.Set("cores", Environment.ProcessorCount);
        figures.Set("synchronous_commit", await ScalarAsync<string>("SHOW synchronous_commit"));
        figures.Set("fsync", await ScalarAsync<string>("SHOW fsync"));
        figures.Set("server_version", await ScalarAsync<string>("SHOW server_version"));
        figures.Set("shared_buffers", await ScalarAsync<string>("SHOW shared_buffers"));
        figures.Set("seconds_each", _seconds);
        figures.Set("in_flight", House.Lanes);
        figures.Set("pgbench_clients", PgBench.Clients);
    }

    /// <returns>Units a second, each one fact on a stream of its own kind of life.</returns>
    async Task<Pace> AppendAsync(int streams, Cpu cpu)
    {
        await using var house = await House.OpenAsync(source, "memory", relay: false, new Watch());
        var commit = house.Get<GroupCommit>();
        using var stop = new CancellationTokenSource();
        var units = 0L;
        var writers = Enumerable.Range(0, streams).Select(_ => Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                var id = new JobId(Ids.New());
                var saga = new RenderSaga { CorrelationId = id.Value };
                string? hash = null;
                foreach (var fact in Lives.Usual(id))
                {
                    if (stop.IsCancellationRequested) return;
                    var unit = Lives.Unit(saga, hash, _clock.GetUtcNow(), fact);
                    await commit.CommitAsync(unit, CancellationToken.None);
                    hash = unit.Outcome!.Hash;
                    Interlocked.Increment(ref units);
                }
            }
        })).ToArray();
        var pace = await RateAsync(() => Task.FromResult(Volatile.Read(ref units)), cpu, house.Get<EventStore.Tally>());
        await stop.CancelAsync();
        await Task.WhenAll(writers);
        return pace;
    }

    async Task<Pace> PlainAsync(Cpu cpu)
    {
        await Migration.ApplyAsync(source, PlainRows.Schema);
        using var stop = new CancellationTokenSource();
        var plain = new PlainRows(source);
        var running = plain.RunAsync(stop.Token);
        var pace = await RateAsync(() => Task.FromResult(plain.Units), cpu);
        await stop.CancelAsync();
        await running;
        await ExecuteAsync($"DROP SCHEMA {PlainRows.Schema} CASCADE");
        return pace;
    }

    async Task<Pace> TransitionsAsync(string broker, Cpu cpu)
    {
        var watch = new Watch();
        // What earlier measurements left is not of this one.
        await MoveRelayAsync(await HeadAsync());
        await ExecuteAsync("DELETE FROM eventstore.agenda");
        await using var house = await House.OpenAsync(source, broker, relay: true, watch);
        return await PipelineAsync(house, watch, HeadAsync, cpu, house.Get<EventStore.Tally>());
    }

    /// <summary>The same steps by MassTransit alone, its memory a dictionary: as fast as any store behind this machine and bus can be.</summary>
    async Task<Pace> BareAsync(string broker, Cpu cpu)
    {
        var watch = new Watch();
        await using var house = await House.OpenBareAsync(broker, watch);
        return await PipelineAsync(house, watch, () => Task.FromResult(watch.Steps), cpu);
    }

    async Task<Pace> PipelineAsync(House house, Watch watch, Func<Task<long>> steps, Cpu cpu, EventStore.Tally? ours = null)
    {
        for (var i = 0; i < House.Lanes; i++) await house.Get<IBus>().Publish(Lives.Submission(new JobId(Ids.New())));
        var pace = await RateAsync(steps, cpu, ours);
        watch.Closed = true;
        return pace;
    }

    /// <summary>Latency from commit to consumer while nothing else goes on; then how fast a backlog goes out.</summary>
    async Task RelayAsync()
    {
        var watch = new Watch();
        await MoveRelayAsync(await HeadAsync());
        await ExecuteAsync("DELETE FROM eventstore.agenda");
        var latencies = new List<double>();
        await using (var house = await House.OpenAsync(source, "memory", relay: true, watch))
        {
            var streams = house.Get<Streams>();
            // The first ones pay for what is compiled and connected once.
            const int cold = 50;
            for (var n = 0; n < cold + (quick ? 200 : 500); n++)
            {
                var id = new JobId(Ids.New());
                var seen = watch.Expect(id.Value);
                await streams.AppendAsync(id.Value, "bench", 0, [new JobHeld(id, "bench", "to be seen")], "bench", CancellationToken.None);
                var committed = _clock.GetTimestamp();
                var latency = Math.Max(0, _clock.GetElapsedTime(committed, await seen.WaitAsync(TimeSpan.FromSeconds(10))).TotalMilliseconds);
                if (n >= cold) latencies.Add(latency);
            }
        }
        latencies.Sort();
        figures.Add("relay_p50_ms", latencies[latencies.Count / 2], "from commit to consumer, idle, in memory mode", "10");
        figures.Add("relay_p99_ms", latencies[latencies.Count * 99 / 100], "", "50");
    }

    /// <summary>A long history: how fast it is written, drained, rebuilt from, verified and travelled in.</summary>
    async Task HistoryAsync(Cpu cpu)
    {
        var watch = new Watch();
        Guid travelled;
        double filled;
        await using (var house = await House.OpenAsync(source, "memory", relay: false, watch))
        {
            var from = _clock.GetTimestamp();
            filled = await Lives.FillAsync(house.Get<GroupCommit>(), _clock, _facts - await HeadAsync()) / _clock.GetElapsedTime(from).TotalSeconds;
            travelled = await Lives.LongAsync(house.Get<GroupCommit>(), _clock, 5_000);
        }
        await ExecuteAsync("ANALYZE eventstore.mt_events, eventstore.mt_streams, eventstore.mt_doc_renderjob");

        var backlog = quick ? 20_000 : 100_000;
        await MoveRelayAsync(await HeadAsync() - backlog);
        await using (var house = await House.OpenAsync(source, "memory", relay: true, watch))
        {
            var from = _clock.GetTimestamp();
            while (await RelayedAsync() < await HeadAsync()) await Task.Delay(TimeSpan.FromMilliseconds(10), _clock);
            figures.Add("drain_per_s", backlog / _clock.GetElapsedTime(from).TotalSeconds, $"a backlog of {backlog} facts to the bus in memory", "10,000");
        }

        await using (var house = await House.OpenAsync(source, "memory", relay: false, watch, projections: true))
        {
            await house.Get<EventStore.Projections>().WaitForAsync(JobViews, await HeadAsync(), CancellationToken.None);
            var used = cpu.Seconds();
            var rebuilt = await house.Get<EventStore.Projections>().RebuildHereAsync(JobViews, CancellationToken.None);
            figures.Add("rebuild_per_s", rebuilt.Events / rebuilt.Took.TotalSeconds, $"job view, from {rebuilt.Events} events, while the live one follows", "50,000");
            figures.Add("rebuild_cpu_us", (cpu.Seconds() - used) * 1e6 / rebuilt.Events, "processor time an event, client and database");
        }

        await using (var house = await House.OpenAsync(source, "memory", relay: false, watch))
        {
            var audit = house.Get<Audit>();
            // Warm, as a process is that does it every night.
            await audit.VerifyAsync(new Since(await HeadAsync() - 30_000, null), CancellationToken.None);
            var (used, own) = (cpu.Seconds(), Cpu.OwnSeconds());
            var report = await audit.VerifyAsync(Since.Ever, CancellationToken.None);
            figures.Add("verify_cpu_us", (cpu.Seconds() - used) * 1e6 / report.Events, "processor time an event, client and database");
            figures.Add("verify_cpu_us_client", (Cpu.OwnSeconds() - own) * 1e6 / report.Events, "of these, in this process");
            if (report.Found > 0) throw new InvalidOperationException($"The audit found {report.Found} faults, the first: {report.Findings[0]}");
            figures.Add("verify_per_s", report.Events / report.Seconds, $"everything, {report.Events} events: chain, path, memory = fold", "50,000");

            var from = _clock.GetTimestamp();
            var replayed = 0L;
            for (var n = 1; n <= 20; n++) replayed += (await audit.ReplayAsync(travelled, n * 250, null, CancellationToken.None))!.Version;
            figures.Add("travel_per_s", replayed / _clock.GetElapsedTime(from).TotalSeconds, "facts folded while travelling to 20 versions of a stream of 5,000");
        }
        figures.Add("fill_per_s", filled, "facts a second, seven a unit, 64 at once");
        figures.Set("events", await HeadAsync());
    }

    const string JobViews = Gateway.JobViews.ProjectionName;

    /// <summary>What was counted over the measured time, once the code is warm.</summary>
    async Task<Pace> RateAsync(Func<Task<long>> count, Cpu cpu, EventStore.Tally? ours = null)
    {
        var tally = ours ?? new EventStore.Tally();
        await Warm.UpAsync();
        var (used, own, units, batches) = (cpu.Seconds(), Cpu.OwnSeconds(), tally.Units, tally.Batches);
        var (from, first) = (_clock.GetTimestamp(), await count());
        await Task.Delay(TimeSpan.FromSeconds(_seconds), _clock);
        var (done, took) = (Math.Max(1, await count() - first), _clock.GetElapsedTime(from).TotalSeconds);
        return new(done / took, (cpu.Seconds() - used) * 1000 / done, (Cpu.OwnSeconds() - own) * 1000 / done, (tally.Units - units) / (double)Math.Max(1, tally.Batches - batches));
    }

    /// <param name="CpuMs">Processor time for one, of all processes.</param>
    /// <param name="OwnMs">Of these, this process's.</param>
    sealed record Pace(double PerSecond, double CpuMs, double OwnMs, double UnitsPerCommit);

    Task<long> HeadAsync() => ScalarAsync<long>("SELECT coalesce(max(seq_id), 0) FROM eventstore.mt_events");
    Task<long> RelayedAsync() => ScalarAsync<long>("SELECT last_seq_id FROM eventstore.mt_event_progression WHERE name = 'relay'");

    Task MoveRelayAsync(long to) => ExecuteAsync($"INSERT INTO eventstore.mt_event_progression (name, last_seq_id) VALUES ('relay', {to}) ON CONFLICT (name) DO UPDATE SET last_seq_id = excluded.last_seq_id");

    async Task<T> ScalarAsync<T>(string sql)
    {
        await using var command = source.CreateCommand(sql);
        return (T)(await command.ExecuteScalarAsync())!;
    }

    async Task ExecuteAsync(string sql)
    {
        await using var command = source.CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }
}
