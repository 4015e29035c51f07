using FlatRender.Contracts;
using FlatRender.TestKit;

namespace FlatRender.EventStore.Tests;

/// <summary>Facts in a transaction that is another's.</summary>
public sealed class AlongsideSpecs : IAsyncLifetime
{
    TestDatabase _database = null!;
    Process _process = null!;
    Alongside _alongside = null!;

    public async Task InitializeAsync()
    {
        _database = await TestDatabase.CreateAsync();
        _process = new Process(_database);
        _alongside = new Alongside(_process.Get<EventStoreOptions>(), _process.Get<Wake>(), TimeProvider.System);
        await _database.QueryAsync("CREATE TABLE {s}.rows (id uuid)", _ => 0);
    }

    public async Task DisposeAsync()
    {
        await _process.DisposeAsync();
        await _database.DisposeAsync();
    }

    async Task WriteAsync(bool commit, params (Guid Stream, string Reason)[] facts)
    {
        await using var db = await _database.Source.OpenConnectionAsync();
        await using var transaction = await db.BeginTransactionAsync();
        foreach (var (stream, reason) in facts)
        {
            await using var row = new Npgsql.NpgsqlCommand($"INSERT INTO {_database.Schema}.rows VALUES ($1)", db) { Parameters = { new() { Value = stream } } };
            await row.ExecuteNonQueryAsync();
        }
        await _alongside.AppendAsync(db, [.. facts.Select(f => Fact(f.Stream, f.Reason))], "farm", default);
        if (commit) await transaction.CommitAsync();
    }

    [Fact]
    public async Task Facts_and_rows_are_there_together_or_not_at_all()
    {
        Guid one = Ids.New(), two = Ids.New();
        await WriteAsync(true, (one, "a"), (two, "b"), (one, "c"));
        await WriteAsync(false, (one, "never"), (two, "never"));
        await WriteAsync(true, (two, "d"));
        (await _database.QueryAsync("SELECT count(*) FROM {s}.rows", r => r.GetInt64(0))).Single().ShouldBe(4);
        (await Reasons(one)).ShouldBe(["1 a", "2 c"]);
        (await Reasons(two)).ShouldBe(["1 b", "2 d"]);
    }

    [Fact]
    public async Task They_carry_on_the_chain_whoever_wrote_before()
    {
        var stream = Ids.New();
        await WriteAsync(true, (stream, "first"));
        await _process.Streams.AppendAsync(stream, "node", 1, [new NodeRecovered(new NodeId(stream), "test", "second")], "test", default);
        await WriteAsync(true, (stream, "third"));
        await ChainHoldsAsync(stream);
        (await _process.Streams.ReadAsync(stream, default)).ShouldAllBe(e => e.Header("actor") != null);
        (await Reasons(stream)).ShouldBe(["1 first", "2 second", "3 third"]);
    }

    [Fact]
    public async Task Many_writers_of_one_stream_wait_for_each_other_and_none_is_lost()
    {
        var stream = Ids.New();
        await WriteAsync(true, (stream, "0"));
        await Task.WhenAll(Enumerable.Range(1, 20).Select(n => WriteAsync(true, (stream, $"{n}"))));
        (await Reasons(stream)).Select(r => r.Split(' ')[1]).ShouldBe(Enumerable.Range(0, 21).Select(n => $"{n}"), ignoreOrder: true);
        await ChainHoldsAsync(stream);
    }

    [Fact]
    public async Task Who_waited_for_another_writer_stands_on_what_that_one_wrote()
    {
        var stream = Ids.New();
        await WriteAsync(true, (stream, "first"));
        await using var db = await _database.Source.OpenConnectionAsync();
        await using var transaction = await db.BeginTransactionAsync();
        await _alongside.AppendAsync(db, [Fact(stream, "second")], "farm", default);
        var third = WriteAsync(true, (stream, "third"));
        await Eventually.So(async () => (await _database.QueryAsync($"SELECT 1 FROM pg_stat_activity WHERE {db.ProcessID} = ANY (pg_blocking_pids(pid))", r => r.GetInt32(0))).Count > 0, "the third waits for it");
        await transaction.CommitAsync();
        await third;
        (await Reasons(stream)).ShouldBe(["1 first", "2 second", "3 third"]);
        await ChainHoldsAsync(stream);
    }

    async Task ChainHoldsAsync(Guid stream)
    {
        string? last = null;
        foreach (var e in await _process.Streams.ReadAsync(stream, default))
        {
            Chain.Holds(last, e).ShouldBeTrue($"version {e.Version}: {e.Data}");
            last = e.Header("hash");
        }
    }

    static StreamFacts Fact(Guid stream, string reason) => new(stream, "node", [new NodeRecovered(new NodeId(stream), "test", reason)]);

    async Task<IEnumerable<string>> Reasons(Guid stream) => (await _process.Streams.ReadAsync(stream, default)).Select(e => $"{e.Version} {((NodeRecovered)e.Fact(Vocabulary.All)).Reason}");
}
