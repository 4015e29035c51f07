using FlatRender.Contracts;
using FlatRender.TestKit;
using Npgsql;

namespace FlatRender.EventStore.Tests;

public sealed class AppendSpecs : IAsyncLifetime
{
    TestDatabase _database = null!;
    Process _process = null!;

    public async Task InitializeAsync()
    {
        _database = await TestDatabase.CreateAsync();
        _process = new Process(_database);
    }

    public async Task DisposeAsync()
    {
        await _process.DisposeAsync();
        await _database.DisposeAsync();
    }

    static JobHeld Held(Guid id, string reason) => new(new JobId(id), "test", reason);

    Task CommitAsync(UnitOfWork unit) => _process.Get<GroupCommit>().CommitAsync(unit, CancellationToken.None);

    Task<List<(Guid Stream, long Version, string Reason)>> FactsAsync() =>
        _database.QueryAsync("SELECT stream_id, version, data->>'reason' FROM {s}.mt_events ORDER BY seq_id", r => (r.GetGuid(0), r.GetInt64(1), r.GetString(2)));

    [Fact]
    public async Task A_unit_is_stored_whole_with_facts_numbered_in_its_order()
    {
        var id = Ids.New();
        var unit = _process.Unit(id);
        foreach (var reason in new[] { "one", "two", "three" }) unit.Append(Held(id, reason));
        unit.Ask(new StopWork(new JobId(id), 1, "x"));
        unit.Remind(unit.Now.AddMinutes(1), new QueueOverdue(new JobId(id), 1, unit.Now));
        await CommitAsync(unit);

        (await FactsAsync()).ShouldBe([(id, 1, "one"), (id, 2, "two"), (id, 3, "three")]);
        (await _process.Streams.VersionAsync(id, CancellationToken.None)).ShouldBe(3);
        (await _database.QueryAsync("SELECT kind, type FROM {s}.agenda ORDER BY id", r => (r.GetString(0), r.GetString(1)))).ShouldBe([("ask", "ask.stop_work"), ("remind", "remind.queue_overdue")]);
    }

    [Fact]
    public async Task A_unit_whose_stream_has_moved_on_leaves_no_trace()
    {
        var id = Ids.New();
        await _process.Streams.AppendAsync(id, "render_job", 0, [Held(id, "first")], "test", CancellationToken.None);
        foreach (var stale in new long[] { 0, 2, 7 })
        {
            var unit = _process.Unit(id, stale);
            unit.Append(Held(id, "late"));
            unit.Ask(new StopWork(new JobId(id), 1, "late"));
            (await Should.ThrowAsync<ConcurrencyException>(() => CommitAsync(unit))).Expected.ShouldBe(stale);
        }

        (await FactsAsync()).ShouldBe([(id, 1, "first")]);
        (await _database.QueryAsync("SELECT count(*) FROM {s}.agenda", r => r.GetInt64(0))).ShouldBe([0]);
        (await _process.Streams.VersionAsync(id, CancellationToken.None)).ShouldBe(1);
    }

    [Fact]
    public async Task Of_two_units_for_one_version_exactly_one_gets_in()
    {
        for (var round = 0; round < 50; round++)
        {
            var id = Ids.New();
            var outcomes = await Task.WhenAll(Enumerable.Range(0, 4).Select(async n =>
            {
                var unit = _process.Unit(id);
                unit.Append(Held(id, $"{n}"));
                return await Record.ExceptionAsync(() => CommitAsync(unit));
            }));
            outcomes.Count(o => o is null).ShouldBe(1);
            outcomes.Where(o => o is not null).ShouldAllBe(o => o is ConcurrencyException);
        }
    }

    [Fact]
    public async Task Units_that_are_ready_together_share_a_commit_and_a_lone_one_waits_for_nobody()
    {
        var tally = _process.Tally;
        var lone = Ids.New();
        await _process.Streams.AppendAsync(lone, "render_job", 0, [Held(lone, "alone")], "test", CancellationToken.None);
        (tally.Units, tally.Batches).ShouldBe((1, 1));

        await Task.WhenAll(Enumerable.Range(0, 400).Select(n => Task.Run(() =>
        {
            var id = Ids.New();
            return _process.Streams.AppendAsync(id, "render_job", 0, [Held(id, $"{n}")], "test", CancellationToken.None);
        })));
        tally.Units.ShouldBe(401);
        tally.Batches.ShouldBeLessThan(200);
        (await FactsAsync()).Count.ShouldBe(401);
    }

    [Fact]
    public async Task A_unit_that_the_database_cannot_take_harms_no_other()
    {
        // jsonb holds no U+0000: the statement fails, and with it every unit in the batch, until each is tried alone.
        var units = Enumerable.Range(0, 60).Select(n =>
        {
            var id = Ids.New();
            var unit = _process.Unit(id);
            unit.Append(Held(id, n % 20 == 7 ? "nul \0" : $"{n}"));
            return unit;
        }).ToArray();
        var outcomes = await Task.WhenAll(units.Select(u => Task.Run(() => Record.ExceptionAsync(() => CommitAsync(u)))));
        outcomes.Select((o, n) => (Bad: n % 20 == 7, Failed: o is not null)).ShouldAllBe(o => o.Bad == o.Failed);
        outcomes.OfType<PostgresException>().Count().ShouldBe(3);
        (await FactsAsync()).Count.ShouldBe(57);
    }

    [Fact]
    public async Task A_stream_that_somebody_holds_locked_holds_up_no_other_and_goes_on_when_it_is_let_go()
    {
        var (held, free) = (Ids.New(), Enumerable.Range(0, 20).Select(_ => Ids.New()).ToArray());
        foreach (var id in (Guid[])[held, .. free]) await _process.Streams.AppendAsync(id, "render_job", 0, [Held(id, "before")], "test", CancellationToken.None);

        await using var hand = await _database.Source.OpenConnectionAsync();
        await using (var tx = await hand.BeginTransactionAsync())
        {
            await hand.RunAsync($"SELECT FROM {_database.Schema}.mt_streams WHERE id = $1 FOR UPDATE", CancellationToken.None, held);
            var refused = Next(held);
            await Task.WhenAll(free.Select(Next));
            (await Should.ThrowAsync<ConcurrencyException>(() => refused)).StreamId.ShouldBe(held);
        }

        await Next(held);
        (await FactsAsync()).Where(f => f.Version == 2).Select(f => f.Stream).ShouldBe([.. free, held], ignoreOrder: true);

        Task Next(Guid id) => Task.Run(() => _process.Streams.AppendAsync(id, "render_job", 1, [Held(id, "after")], "test", CancellationToken.None));
    }

    [Fact]
    public async Task Two_processes_that_append_to_the_same_streams_never_deadlock()
    {
        await using var other = new Process(_database);
        var ids = Enumerable.Range(0, 30).Select(_ => Ids.New()).ToArray();
        async Task<int> Append(Process process, int seed)
        {
            var (random, won) = (new Random(seed), 0);
            for (var round = 0; round < 40; round++)
                won += (await Task.WhenAll(ids.OrderBy(_ => random.Next()).Take(15).Select(async id =>
                {
                    try
                    {
                        await process.Streams.AppendAsync(id, "render_job", await process.Streams.VersionAsync(id, CancellationToken.None), [Held(id, "x")], "test", CancellationToken.None);
                        return 1;
                    }
                    catch (ConcurrencyException)
                    {
                        return 0;
                    }
                }))).Sum();
            return won;
        }

        var won = await Task.WhenAll(Append(_process, 1), Append(other, 2));
        var facts = await FactsAsync();
        facts.Count.ShouldBe(won.Sum());
        foreach (var stream in facts.GroupBy(f => f.Stream)) stream.Select(f => f.Version).ShouldBe(Enumerable.Range(1, stream.Count()).Select(v => (long)v));
    }

    [Fact]
    public async Task A_cut_connection_is_opened_again()
    {
        var id = Ids.New();
        await _process.Streams.AppendAsync(id, "render_job", 0, [Held(id, "before")], "test", CancellationToken.None);
        await _database.QueryAsync("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%{s}.append(%' AND pid <> pg_backend_pid()", r => r.GetBoolean(0));
        for (var tries = 0; tries < 5; tries++)
            if (await Record.ExceptionAsync(() => _process.Streams.AppendAsync(id, "render_job", 1, [Held(id, "after")], "test", CancellationToken.None)) is null) break;
        (await FactsAsync()).Select(f => f.Reason).ShouldBe(["before", "after"]);
    }
}
