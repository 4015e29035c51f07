using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using FlatRender.Contracts;
using FlatRender.EventStore;
using Npgsql;

namespace FlatRender.Bench.Messages;

/// <summary>Requests through the message gateway beside a raw RPC loop at the same broker, to the same microservice: each a process of its own, one after the other.</summary>
static class MessagesBench
{
    public static async Task<Figures> RunAsync(bool quick)
    {
        var given = Environment.GetEnvironmentVariable("FLATRENDER_TEST_DATABASE") ?? throw new InvalidOperationException("FLATRENDER_TEST_DATABASE is not set. Run ./flatrender bench: it starts private servers and sets it.");
        var broker = Environment.GetEnvironmentVariable("FLATRENDER_TEST_RABBITMQ") ?? throw new InvalidOperationException("FLATRENDER_TEST_RABBITMQ is not set. Run ./flatrender bench: it starts private servers and sets it.");
        var figures = new Figures("Message gateway");
        await using var admin = NpgsqlDataSource.Create(given);
        var name = "bench_" + Ids.New().ToString("N")[..8];
        await using (var create = admin.CreateCommand($"CREATE DATABASE {name}")) await create.ExecuteNonQueryAsync();
        try
        {
            var database = new NpgsqlConnectionStringBuilder(given) { Database = name, MaxPoolSize = 20 }.ToString();
            await using (var source = NpgsqlDataSource.Create(database)) await Migration.ApplyAsync(source, "eventstore");
            using var echo = new Part("messages-echo", broker, name);
            await echo.LineAsync();
            using var server = new Part("messages-server", database, broker, name);
            var address = await server.LineAsync();
            int[] sizes = [1000, 20];
            foreach (var sockets in sizes) await MeasureAsync(figures, sockets, quick ? 4 : 12, sockets == sizes[^1] ? "" : $"_{sockets}", broker, name, address);
            figures.Set("sockets", sizes[^1]);
            figures.Set("quick", quick);
            figures.Set("cores", Environment.ProcessorCount);
            figures.Set("load_average", double.Parse((await File.ReadAllTextAsync("/proc/loadavg")).Split(' ')[0], CultureInfo.InvariantCulture));
        }
        finally
        {
            await using var drop = admin.CreateCommand($"DROP DATABASE {name} WITH (FORCE)");
            await drop.ExecuteNonQueryAsync();
        }

        return figures;
    }

    static async Task MeasureAsync(Figures figures, int sockets, int seconds, string suffix, string broker, string exchange, string address)
    {
        var (count, time) = (Text(sockets), Text(seconds));
        // Around the one that is measured, so that a machine that grows slower is not taken for a gateway that is.
        var before = await LoadAsync("messages-raw", broker, exchange, count, time);
        var through = await LoadAsync("messages-crowd", address, count, time);
        var after = await LoadAsync("messages-raw", broker, exchange, count, time);
        var raw = (before.Answers / before.Seconds + after.Answers / after.Seconds) / 2;
        figures.Add("req_per_s" + suffix, through.Answers / through.Seconds, $"{sockets} sockets, one request at a time each");
        figures.Add("raw_req_per_s" + suffix, raw, "as many loops straight at the broker, before and after");
        figures.Add("vs_raw" + suffix, through.Answers / through.Seconds / raw, "", "0.7");
        figures.Add("p50_ms" + suffix, through.P50, "from request to answer, as the client sees it");
        figures.Add("p99_ms" + suffix, through.P99, "");
        figures.Add("raw_p99_ms" + suffix, Math.Max(before.P99, after.P99), "");
        figures.Add("errors" + suffix, through.Errors, "", "0");
    }

    static async Task<Loaded> LoadAsync(params string[] words)
    {
        using var load = new Part(words);
        await load.LineAsync();
        await load.TellAsync("go");
        return JsonSerializer.Deserialize<Loaded>(await load.LineAsync())!;
    }

    static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    /// <summary>A process of this benchmark, gone with it.</summary>
    sealed class Part(params string[] words) : IDisposable
    {
        readonly Process _process = Process.Start(Self.With(words))!;

        public async Task<string> LineAsync() => await _process.StandardOutput.ReadLineAsync() ?? throw new InvalidOperationException($"{words[0]} has ended.");

        public async Task TellAsync(string line)
        {
            await _process.StandardInput.WriteLineAsync(line);
            await _process.StandardInput.FlushAsync();
        }

        public void Dispose()
        {
            _process.Kill();
            _process.Dispose();
        }
    }
}
