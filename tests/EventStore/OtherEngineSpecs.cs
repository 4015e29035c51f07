using System.Collections.Concurrent;
using FlatRender.Contracts;
using FlatRender.TestKit;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace FlatRender.EventStore.Tests;

/// <summary>Another engine (Marten) writes to the same tables with statements of its own: what this store promises holds for its facts too.</summary>
public sealed class OtherEngineSpecs : IAsyncLifetime
{
    TestDatabase _database = null!;

    public async Task InitializeAsync() => _database = await TestDatabase.CreateAsync();
    public async Task DisposeAsync() => await _database.DisposeAsync();

    [Fact]
    public async Task A_fact_whose_number_was_drawn_long_before_it_is_written_is_not_skipped()
    {
        await using var process = new Process(_database);
        await using var reading = await _database.Source.OpenConnectionAsync();
        await using var reader = await EventReader.OpenAsync(reading, _database.Schema, "other engine");

        // Marten's Rich mode: the numbers by a statement of their own, outside of the transaction that uses them.
        var drawn = await DrawAsync(2);
        await process.Streams.AppendAsync(Ids.New(), "bench", 0, [new JobHeld(new JobId(Ids.New()), "me", "meanwhile")], "me", CancellationToken.None);
        var seen = new List<RecordedEvent>();
        await Eventually.So(async () => ReadOn(seen, await reader.NextAsync(CancellationToken.None)) == 1, "the reader has proven the drawn numbers dead and gone on");

        var late = Ids.New();
        await WriteAsMartenAsync(late, drawn);
        await Eventually.So(async () => ReadOn(seen, await reader.NextAsync(CancellationToken.None)) == 3, "the reader sees what was written late");
        seen.Skip(1).Select(e => (e.StreamId, e.Version)).ShouldBe([(late, 1), (late, 2)]);
        (await process.Streams.ReadAsync(late, CancellationToken.None)).ShouldBe(seen.Skip(1));
    }

    [Fact]
    public async Task What_it_appends_is_followed_by_what_is_appended_here()
    {
        await using var process = new Process(_database);
        var stream = Ids.New();
        await WriteAsMartenAsync(stream, await DrawAsync(2));
        await Should.ThrowAsync<ConcurrencyException>(() => AppendAsync(process, stream, expected: 1));
        (await AppendAsync(process, stream, expected: 2)).ShouldBe(3);
        (await process.Streams.ReadAsync(stream, CancellationToken.None)).Select(e => e.Version).ShouldBe([1, 2, 3]);
    }

    [Fact]
    public async Task The_relay_and_projections_take_its_facts_between_ours_each_once_and_in_order()
    {
        var ear = new Ear();
        await using var house = await House.StartAsync(_database, pipeline: false, services: s => s.AddSingleton<IFactTarget>(ear).AddSingleton<IProjection>(new Told(_database.Schema)).AddProjections());
        Guid[] streams = [Ids.New(), Ids.New(), Ids.New()];
        for (var round = 0; round < 12; round++)
        {
            var (rich, quick, ours) = (streams[round % 3], streams[(round + 1) % 3], streams[(round + 2) % 3]);
            var drawn = await DrawAsync(2);
            await AppendHereAsync(house, ours);
            await TakenInAsync();
            // Whoever reads has gone by the drawn numbers. Now they are used, beside what others append and before more on the same stream.
            await Task.WhenAll(WriteAsMartenAsync(rich, drawn), WriteQuicklyAsMartenAsync(quick, 3), AppendHereAsync(house, ours));
            await AppendHereAsync(house, rich);
        }

        await TakenInAsync();
        var committed = await _database.QueryAsync("SELECT seq_id, stream_id, version FROM {s}.mt_events ORDER BY seq_id", r => (r.GetInt64(0), r.GetGuid(1), r.GetInt64(2)));
        committed.Count.ShouldBe(12 * 8);
        ear.Heard.ShouldBe(committed);
        (await _database.QueryAsync("SELECT seq_id, stream_id, version FROM {s}.told ORDER BY n", r => (r.GetInt64(0), r.GetGuid(1), r.GetInt64(2)))).ShouldBe(committed);
        foreach (var stream in committed.GroupBy(e => e.Item2)) stream.Select(e => e.Item3).ShouldBe(Enumerable.Range(1, stream.Count()).Select(v => (long)v));
    }

    [Fact]
    public async Task A_unit_that_meets_its_half_written_append_is_refused_and_leaves_nothing()
    {
        await using var process = new Process(_database);
        var stream = Ids.New();
        await AppendAsync(process, stream, expected: 0);
        await using var other = await _database.Source.OpenConnectionAsync();
        await RunAsync(other, "SET deadlock_timeout = '1h'");
        await using var tx = await other.BeginTransactionAsync();
        await InsertAsync(other, stream, 2, (await DrawAsync(1)).Single());
        // Held up between the stream's row and its fact, the unit here is the one that closes the circle, and so the one that finds out.
        await using var third = await _database.Source.OpenConnectionAsync();
        await using var pause = await third.BeginTransactionAsync();
        await RunAsync(third, "LOCK TABLE {s}.agenda IN SHARE MODE");
        var here = AppendAsync(process, stream, expected: 1);
        await SoAsync("SELECT 1 FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))", third.ProcessID, "the unit here has the stream's row and is held up", unless: here);
        var there = MoveAsync(other, stream, 2);
        await SoAsync("SELECT 1 WHERE cardinality(pg_blocking_pids($1)) > 0", other.ProcessID, "the other waits for the stream's row", unless: here);
        await pause.RollbackAsync();

        await Should.ThrowAsync<ConcurrencyException>(() => here);
        await there;
        await tx.CommitAsync();
        (await process.Streams.ReadAsync(stream, CancellationToken.None)).Select(e => e.Type).ShouldBe(["render.job.released.v1", "render.job.held.v1"]);
        (await AppendAsync(process, stream, expected: 2)).ShouldBe(3);
    }

    static Task<long> AppendAsync(Process process, Guid stream, long expected) =>
        process.Streams.AppendAsync(stream, "bench", expected, [new JobReleased(new JobId(stream), "me", "after it")], "me", CancellationToken.None);

    static async Task AppendHereAsync(House house, Guid stream) =>
        await house.Streams.AppendAsync(stream, "bench", await house.Streams.VersionAsync(stream, CancellationToken.None), [new JobReleased(new JobId(stream), "me", "here")], "me", CancellationToken.None);

    /// <summary>Returns when relay and projection have saved that they have everything committed so far.</summary>
    async Task TakenInAsync()
    {
        var head = (await _database.QueryAsync("SELECT max(seq_id) FROM {s}.mt_events", r => r.GetInt64(0))).Single();
        await Eventually.So(async () => (await _database.QueryAsync("SELECT name FROM {s}.mt_event_progression WHERE name IN ('relay', 'told') AND last_seq_id >= $1", r => r.GetString(0), head)).Count == 2, $"relay and projection are at {head}");
    }

    /// <param name="unless">What may have given up waiting before anybody has looked, on a busy machine.</param>
    Task SoAsync(string sql, int pid, string what, Task? unless = null) => Eventually.So(async () => unless is { IsCompleted: true } || (await _database.QueryAsync(sql, r => r.GetInt32(0), pid)).Count > 0, what);

    static int ReadOn(List<RecordedEvent> seen, IReadOnlyList<RecordedEvent> more)
    {
        seen.AddRange(more);
        return seen.Count;
    }

    Task<List<long>> DrawAsync(int numbers) => _database.QueryAsync("SELECT nextval('{s}.mt_events_sequence') FROM generate_series(1, $1)", r => r.GetInt64(0), numbers);

    /// <summary>As Marten appends in Rich mode: the stream's row first, then the facts under numbers drawn before.</summary>
    async Task WriteAsMartenAsync(Guid stream, List<long> numbers)
    {
        await using var db = await _database.Source.OpenConnectionAsync();
        await using var tx = await db.BeginTransactionAsync();
        var version = await VersionAsync(db, stream);
        await MoveAsync(db, stream, version + numbers.Count);
        foreach (var number in numbers) await InsertAsync(db, stream, ++version, number);
        await tx.CommitAsync();
    }

    /// <summary>As Marten appends in Quick mode: numbers are drawn before anything is locked, and the stream's row comes last.</summary>
    async Task WriteQuicklyAsMartenAsync(Guid stream, int facts)
    {
        await using var db = await _database.Source.OpenConnectionAsync();
        await using var tx = await db.BeginTransactionAsync();
        var version = await VersionAsync(db, stream);
        if (version == 0) await MoveAsync(db, stream, 0);
        for (var last = version + facts; version < last;) await InsertAsync(db, stream, ++version, (await DrawAsync(1)).Single());
        await MoveAsync(db, stream, version);
        await tx.CommitAsync();
    }

    async Task<long> VersionAsync(NpgsqlConnection db, Guid stream) =>
        await db.ScalarAsync($"SELECT version FROM {_database.Schema}.mt_streams WHERE id = $1", CancellationToken.None, stream) as long? ?? 0;

    Task MoveAsync(NpgsqlConnection db, Guid stream, long version) => RunAsync(db,
        "INSERT INTO {s}.mt_streams (id, type, version, tenant_id) VALUES ($1, 'bench', $2, '*DEFAULT*') ON CONFLICT (id) DO UPDATE SET version = excluded.version", stream, version);

    Task InsertAsync(NpgsqlConnection db, Guid stream, long version, long number) => RunAsync(db,
        """
        INSERT INTO {s}.mt_events (data, bdata, type, mt_dotnet_type, seq_id, id, stream_id, version, timestamp, tenant_id, headers, is_archived)
        VALUES ('{"by": "another", "reason": "late"}', NULL, 'render.job.held.v1', 'FlatRender.Contracts.JobHeld, FlatRender.Contracts', $1, gen_random_uuid(), $2, $3, now(), '*DEFAULT*', '{}', FALSE)
        """, number, stream, version);

    async Task RunAsync(NpgsqlConnection db, string sql, params object[] values) => await db.RunAsync(sql.Replace("{s}", _database.Schema), CancellationToken.None, values);

    /// <summary>Where the relay brings facts.</summary>
    sealed class Ear : IFactTarget
    {
        public ConcurrentQueue<(long Seq, Guid Stream, long Version)> Heard { get; } = [];

        public Task ReadyAsync(CancellationToken cancel) => Task.CompletedTask;

        public Task PublishAsync(IReadOnlyList<RecordedEvent> facts, CancellationToken cancel)
        {
            foreach (var fact in facts) Heard.Enqueue((fact.Seq, fact.StreamId, fact.Version));
            return Task.CompletedTask;
        }
    }

    /// <summary>What was taken in, in that order; a fact that comes twice stops it.</summary>
    sealed class Told(string schema) : IProjection
    {
        public string Name => "told";
        public string Schema => schema;
        public bool SkipsUnknown => false;

        public Task CreateAsync(NpgsqlConnection db, string schema, CancellationToken cancel) => db.RunAsync(
            $"CREATE TABLE {schema}.told (n int GENERATED ALWAYS AS IDENTITY, seq_id bigint UNIQUE, stream_id uuid, version bigint)", cancel);

        public async Task ApplyAsync(NpgsqlConnection db, string schema, IReadOnlyList<RecordedEvent> batch, CancellationToken cancel)
        {
            foreach (var fact in batch) await db.RunAsync($"INSERT INTO {schema}.told (seq_id, stream_id, version) VALUES ($1, $2, $3)", cancel, fact.Seq, fact.StreamId, fact.Version);
        }
    }
}
