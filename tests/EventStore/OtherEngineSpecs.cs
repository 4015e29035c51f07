using FlatRender.Contracts;
using FlatRender.TestKit;
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
        var drawn = await _database.QueryAsync("SELECT nextval('{s}.mt_events_sequence') FROM generate_series(1, 2)", r => r.GetInt64(0));
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
        await WriteAsMartenAsync(stream, await _database.QueryAsync("SELECT nextval('{s}.mt_events_sequence') FROM generate_series(1, 2)", r => r.GetInt64(0)));
        await Should.ThrowAsync<ConcurrencyException>(() => AppendAsync(process, stream, expected: 1));
        (await AppendAsync(process, stream, expected: 2)).ShouldBe(3);
        (await process.Streams.ReadAsync(stream, CancellationToken.None)).Select(e => e.Version).ShouldBe([1, 2, 3]);
    }

    static Task<long> AppendAsync(Process process, Guid stream, long expected) =>
        process.Streams.AppendAsync(stream, "bench", expected, [new JobReleased(new JobId(stream), "me", "after it")], "me", CancellationToken.None);

    static int ReadOn(List<RecordedEvent> seen, IReadOnlyList<RecordedEvent> more)
    {
        seen.AddRange(more);
        return seen.Count;
    }

    /// <summary>A stream's first facts, row by row as Marten inserts them.</summary>
    async Task WriteAsMartenAsync(Guid stream, List<long> numbers)
    {
        await using var db = await _database.Source.OpenConnectionAsync();
        await using var tx = await db.BeginTransactionAsync();
        await RunAsync(db, "INSERT INTO {s}.mt_streams (id, type, version, tenant_id) VALUES ($1, 'bench', $2, '*DEFAULT*')", stream, (long)numbers.Count);
        for (var version = 1L; version <= numbers.Count; version++)
            await RunAsync(db,
                """
                INSERT INTO {s}.mt_events (data, bdata, type, mt_dotnet_type, seq_id, id, stream_id, version, timestamp, tenant_id, headers, is_archived)
                VALUES ('{"by": "another", "reason": "late"}', NULL, 'render.job.held.v1', 'FlatRender.Contracts.JobHeld, FlatRender.Contracts', $1, gen_random_uuid(), $2, $3, now(), '*DEFAULT*', '{}', FALSE)
                """, numbers[(int)version - 1], stream, version);
        await tx.CommitAsync();
    }

    async Task RunAsync(NpgsqlConnection db, string sql, params object[] values) => await db.RunAsync(sql.Replace("{s}", _database.Schema), CancellationToken.None, values);
}
