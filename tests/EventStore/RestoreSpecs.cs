using FlatRender.Contracts;
using FlatRender.TestKit;
using Npgsql;

namespace FlatRender.EventStore.Tests;

public sealed class RestoreSpecs : IAsyncLifetime
{
    readonly string _home = Directory.CreateTempSubdirectory("flatrender-restore-").FullName;
    TestDatabase _database = null!;

    public async Task InitializeAsync() => _database = await TestDatabase.CreateAsync();

    public async Task DisposeAsync()
    {
        Directory.Delete(_home, recursive: true);
        await _database.DisposeAsync();
    }

    [Fact]
    public async Task A_dump_restored_into_a_new_cluster_goes_on_where_the_reader_was()
    {
        await using var old = new Process(_database);
        var ids = Enumerable.Range(0, 40).Select(_ => Ids.New()).ToArray();
        async Task AppendAsync(Process to, IEnumerable<Guid> streams, long version)
        {
            foreach (var id in streams) await to.Streams.AppendAsync(id, "render_job", version, [new JobHeld(new JobId(id), "me", $"{version}")], "test", CancellationToken.None);
        }

        await AppendAsync(old, ids[..20], 0);
        // A number that was rolled back stays behind as a gap, for the new cluster to pass.
        await _database.QueryAsync("SELECT nextval('{s}.mt_events_sequence')", r => r.GetInt64(0));
        await AppendAsync(old, ids[20..], 0);
        var before = await ReadAsync(_database.Source, batches: 1);
        var oldXid = (await _database.QueryAsync("SELECT pg_current_xact_id()::text::bigint", r => r.GetInt64(0))).Single();

        var from = new NpgsqlConnectionStringBuilder(TestDatabase.ConnectionString);
        var dump = Path.Combine(_home, "dump.sql");
        await OwnPostgres.MustAsync("pg_dump", ["-h", from.Host!, "-p", $"{from.Port}", "-U", from.Username!, "-n", _database.Schema, "--no-owner", "--no-privileges", "-f", dump, from.Database!], from.Password);
        await using var cluster = await OwnPostgres.StartAsync();
        await OwnPostgres.MustAsync("psql", ["-h", "127.0.0.1", "-p", $"{cluster.Port}", "-U", "postgres", "-q", "-v", "ON_ERROR_STOP=1", "-f", dump, "postgres"]);

        await using var source = NpgsqlDataSource.Create(cluster.ConnectionString);
        await using (var xid = source.CreateCommand("SELECT pg_current_xact_id()::text::bigint")) ((long)(await xid.ExecuteScalarAsync())!).ShouldBeLessThan(oldXid, "transaction ids start anew");
        await Migration.ApplyAsync(source, _database.Schema);
        await using var restored = new Process(_database, store: o => o.DataSource = source);
        await AppendAsync(restored, ids, 1);
        var after = await ReadAsync(source, batches: int.MaxValue);

        var all = before.Concat(after).ToArray();
        all.Select(e => e.EventId).Distinct().Count().ShouldBe(80);
        all.Length.ShouldBe(80);
        all.Select(e => e.Seq).ShouldBeInOrder();
        foreach (var id in ids)
        {
            string? hash = null;
            foreach (var e in all.Where(e => e.StreamId == id))
            {
                Chain.Holds(hash, e).ShouldBeTrue();
                hash = e.Header("hash");
            }
        }
    }

    async Task<List<RecordedEvent>> ReadAsync(NpgsqlDataSource source, int batches)
    {
        await using var db = await source.OpenConnectionAsync();
        await using var reader = await EventReader.OpenAsync(db, _database.Schema, "restored", batch: 10);
        var all = new List<RecordedEvent>();
        for (var n = 0; n < batches; n++)
        {
            var facts = await reader.NextAsync(CancellationToken.None);
            if (facts.Count == 0 && !reader.AtGap) break;
            all.AddRange(facts);
            await reader.SaveAsync(CancellationToken.None);
        }
        return all;
    }
}
