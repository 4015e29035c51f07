using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Npgsql;

namespace FlatRender.Bench;

/// <summary>The peer: PostgreSQL's own load generator with one update and one insert a transaction, what the simplest store of state and history would do.</summary>
sealed partial class PgBench(NpgsqlConnectionStringBuilder server)
{
    public const int Clients = 16, Rows = 10_000;

    // As large as a fact of ours.
    const string Script = """
        \set id random(1, 10000)
        BEGIN;
        UPDATE pgbench_state SET version = version + 1, data = '{"state": "Rendering", "pad": "pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp"}' WHERE id = :id;
        INSERT INTO pgbench_facts (state_id, type, data) VALUES (:id, 'render.job.rendering.v1', '{"order": 3, "reason": "all chunks are in", "pad": "pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp"}');
        COMMIT;
        """;

    public static async Task PrepareAsync(NpgsqlDataSource source)
    {
        await using var command = source.CreateCommand($"""
            CREATE TABLE pgbench_state (id int PRIMARY KEY, version bigint NOT NULL, data jsonb NOT NULL);
            CREATE TABLE pgbench_facts (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, state_id int NOT NULL, type varchar NOT NULL, at timestamptz NOT NULL DEFAULT now(), data jsonb NOT NULL);
            INSERT INTO pgbench_state SELECT g, 0, '{"{}"}' FROM generate_series(1, {Rows}) g;
            """);
        await command.ExecuteNonQueryAsync();
    }

    /// <returns>Transactions a second.</returns>
    public async Task<double> RunAsync(int seconds)
    {
        var script = Path.GetTempFileName();
        await File.WriteAllTextAsync(script, Script);
        try
        {
            var start = new ProcessStartInfo(Find(), ["-n", "-M", "prepared", "-c", $"{Clients}", "-j", "2", "-T", $"{seconds}", "-f", script, server.Database!]) { RedirectStandardOutput = true, RedirectStandardError = true };
            (start.Environment["PGHOST"], start.Environment["PGPORT"], start.Environment["PGUSER"]) = (server.Host, $"{server.Port}", server.Username);
            if (server.Password is { Length: > 0 } password) start.Environment["PGPASSWORD"] = password;
            using var process = Process.Start(start)!;
            var errors = process.StandardError.ReadToEndAsync();
            var output = await process.StandardOutput.ReadToEndAsync();
            await process.WaitForExitAsync();
            return Tps().Match(output) is { Success: true } match
                ? double.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture)
                : throw new InvalidOperationException($"pgbench said: {output}{await errors}");
        }
        finally
        {
            File.Delete(script);
        }
    }

    static string Find() =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Select(p => Path.Combine(p, "pgbench")).FirstOrDefault(File.Exists)
        ?? (Directory.Exists("/usr/lib/postgresql") ? Directory.GetDirectories("/usr/lib/postgresql").OrderDescending().Select(d => Path.Combine(d, "bin", "pgbench")).FirstOrDefault(File.Exists) : null)
        ?? throw new InvalidOperationException("pgbench was not found: apt-get install postgresql");

    [GeneratedRegex(@"tps = ([\d.]+)")]
    private static partial Regex Tps();
}
