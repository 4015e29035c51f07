using FlatRender.Contracts;
using FlatRender.TestKit;
using Npgsql;

namespace FlatRender.EventStore.Tests;

public sealed class MigrationSpecs : IAsyncLifetime
{
    TestDatabase _database = null!;

    public async Task InitializeAsync() => _database = await TestDatabase.CreateAsync();
    public async Task DisposeAsync() => await _database.DisposeAsync();

    [Fact]
    public async Task Migrating_again_or_by_many_processes_at_once_changes_nothing()
    {
        await using var process = new Process(_database);
        await process.Streams.AppendAsync(Ids.New(), "render_job", 0, [new JobHeld(new JobId(Ids.New()), "me", "x")], "test", CancellationToken.None);
        await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => Migration.ApplyAsync(_database.Source, _database.Schema)));
        (await _database.QueryAsync("SELECT count(*) FROM {s}.mt_events", r => r.GetInt64(0))).ShouldBe([1]);
    }

    [Fact]
    public async Task Many_processes_that_find_no_schema_make_one()
    {
        var schema = _database.Schema + "_n";
        await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => Migration.ApplyAsync(_database.Source, schema)));
        (await _database.QueryAsync("SELECT count(*) FROM information_schema.tables WHERE table_schema = $1 AND table_name = 'mt_events'", r => r.GetInt64(0), schema)).ShouldBe([1]);
        await _database.QueryAsync($"DROP SCHEMA {schema} CASCADE", _ => 0);
    }

    [Fact]
    public async Task What_a_later_version_has_put_in_place_an_earlier_one_that_starts_leaves_there()
    {
        await _database.QueryAsync("DROP VIEW {s}.overdue", _ => 0);
        await _database.QueryAsync("CREATE VIEW {s}.overdue AS SELECT 'later' AS said", _ => 0);
        await _database.QueryAsync("INSERT INTO {s}.schema_updates (number, name) VALUES (9999, '9999_from_the_future')", _ => 0);
        await Migration.ApplyAsync(_database.Source, _database.Schema);
        (await DefinitionAsync()).ShouldContain("later");

        async Task<string> DefinitionAsync() => (await _database.QueryAsync("SELECT pg_get_viewdef(to_regclass($1))", r => r.GetString(0), $"{_database.Schema}.overdue")).Single();
    }

    [Theory]
    [InlineData("mt_streams", "id uuid, type character varying, version bigint, timestamp timestamp with time zone, created timestamp with time zone, tenant_id character varying, is_archived boolean")]
    [InlineData("mt_events", "seq_id bigint, id uuid, stream_id uuid, version bigint, data jsonb, bdata bytea, type character varying, timestamp timestamp with time zone, tenant_id character varying, mt_dotnet_type character varying, headers jsonb, is_archived boolean")]
    [InlineData("mt_event_progression", "name character varying, last_seq_id bigint, last_updated timestamp with time zone")]
    [InlineData("mt_doc_renderjob", "id uuid, data jsonb, mt_last_modified timestamp with time zone, mt_version uuid, mt_dotnet_type character varying")]
    public async Task The_tables_are_Martens(string table, string columns) =>
        string.Join(", ", await _database.QueryAsync("SELECT column_name || ' ' || data_type FROM information_schema.columns WHERE table_schema = $1 AND table_name = $2 ORDER BY ordinal_position", r => r.GetString(0), _database.Schema, table))
            .ShouldBe(columns);

    [Theory]
    [InlineData("UPDATE {s}.mt_events SET type = 'x'")]
    [InlineData("DELETE FROM {s}.mt_events")]
    [InlineData("TRUNCATE {s}.mt_events CASCADE")]
    [InlineData("DELETE FROM {s}.mt_streams")]
    [InlineData("DROP TABLE {s}.agenda")]
    public async Task The_applications_role_cannot_change_history(string sql)
    {
        await using var db = await _database.Source.OpenConnectionAsync();
        await RunAsync(db, "SET ROLE flatrender_app");
        (await Should.ThrowAsync<PostgresException>(() => RunAsync(db, sql))).SqlState.ShouldBe(PostgresErrorCodes.InsufficientPrivilege);
        await RunAsync(db, "RESET ROLE");
    }

    [Fact]
    public async Task The_applications_role_can_do_all_its_work()
    {
        await using var source = NpgsqlDataSource.Create(TestDatabase.ConnectionString + ";Options=-c role=flatrender_app");
        await using var process = new Process(_database, store: o => o.DataSource = source);
        var id = Ids.New();
        await process.DeliverAsync(House.Submit(id));
        await process.DeliverAsync(new CancelRender(new JobId(id), "me", "no more", 0));
        (await process.StateAsync(id)).ShouldBe("Cancelled");
        await process.Get<Agenda>().WakeAllAsync(long.MaxValue, CancellationToken.None);
        await using var lead = await Leadership.TryTakeAsync(process.Get<EventStoreOptions>(), "relay", TimeProvider.System, CancellationToken.None);
        await using var reader = await EventReader.OpenAsync(lead!.Connection, _database.Schema, "relay");
        (await reader.NextAsync(CancellationToken.None)).Count.ShouldBe(2);
        await reader.SaveAsync(CancellationToken.None);
    }

    async Task RunAsync(NpgsqlConnection db, string sql)
    {
        await using var command = new NpgsqlCommand(sql.Replace("{s}", _database.Schema), db);
        await command.ExecuteNonQueryAsync();
    }
}
