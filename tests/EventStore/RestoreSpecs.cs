using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
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
        await RunAsync("pg_ctl", ["-D", Path.Combine(_home, "data"), "-m", "immediate", "-w", "stop"], asServer: true);
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
        await MustAsync("pg_dump", ["-h", from.Host!, "-p", $"{from.Port}", "-U", from.Username!, "-n", _database.Schema, "--no-owner", "--no-privileges", "-f", dump, from.Database!], from.Password);
        var port = await StartClusterAsync();
        await MustAsync("psql", ["-h", "127.0.0.1", "-p", $"{port}", "-U", "postgres", "-q", "-v", "ON_ERROR_STOP=1", "-f", dump, "postgres"]);

        await using var source = NpgsqlDataSource.Create($"Host=127.0.0.1;Port={port};Username=postgres;Database=postgres");
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

    async Task<int> StartClusterAsync()
    {
        using var free = new TcpListener(IPAddress.Loopback, 0);
        free.Start();
        var port = ((IPEndPoint)free.LocalEndpoint).Port;
        free.Stop();
        if (Environment.UserName == "root") await MustAsync("chown", ["postgres", _home]);
        var data = Path.Combine(_home, "data");
        await MustAsync("initdb", ["-D", data, "-U", "postgres", "--auth=trust", "-E", "UTF8", "--locale=C", "--no-sync"], asServer: true);
        await MustAsync("pg_ctl", ["-D", data, "-o", $"-p {port} -k {_home} -c listen_addresses=127.0.0.1 -c fsync=off", "-l", Path.Combine(_home, "log"), "-w", "start"], asServer: true);
        return port;
    }

    static async Task MustAsync(string program, string[] arguments, string? password = null, bool asServer = false)
    {
        var (exit, error) = await RunAsync(program, arguments, password, asServer);
        exit.ShouldBe(0, $"{program}: {error}");
    }

    static async Task<(int Exit, string Error)> RunAsync(string program, string[] arguments, string? password = null, bool asServer = false)
    {
        var path = Directory.GetDirectories("/usr/lib/postgresql").Select(d => Path.Combine(d, "bin", program)).LastOrDefault(File.Exists) ?? program;
        // PostgreSQL's server refuses to run as root.
        var start = asServer && Environment.UserName == "root"
            ? new ProcessStartInfo("setpriv", ["--reuid=postgres", "--regid=postgres", "--clear-groups", path, .. arguments])
            : new ProcessStartInfo(path, arguments);
        start.RedirectStandardError = true;
        start.WorkingDirectory = "/";
        start.StandardErrorEncoding = System.Text.Encoding.UTF8;
        start.RedirectStandardOutput = true;
        if (password is not null) start.Environment["PGPASSWORD"] = password;
        using var run = System.Diagnostics.Process.Start(start)!;
        await run.WaitForExitAsync();
        // pg_ctl leaves the server its output: reading it to the end would wait for the server's.
        return (run.ExitCode, run.ExitCode == 0 ? "" : await run.StandardError.ReadToEndAsync());
    }
}
