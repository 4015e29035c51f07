using System.Globalization;
using System.Text.Json;
using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.TestKit;

namespace FlatRender.Bench.Messages;

/// <summary>Requests through the message gateway beside a raw RPC loop at the same broker, to the same microservice: each a process of its own, one after the other.</summary>
static class MessagesBench
{
    public static async Task<Figures> RunAsync(bool quick)
    {
        var broker = Environment.GetEnvironmentVariable("FLATRENDER_TEST_RABBITMQ") ?? throw new InvalidOperationException("FLATRENDER_TEST_RABBITMQ is not set. Run ./flatrender bench: it starts private servers and sets it.");
        var figures = new Figures("Message gateway");
        await using var database = await OwnDatabase.CreateAsync();
        await Migration.ApplyAsync(database.Source, "eventstore");
        var exchange = "bench-" + Ids.New().ToString("N")[..8];
        using var echo = new Part(["messages-echo", broker, exchange]);
        await echo.LineAsync();
        using var server = new Part(["messages-server", database.ConnectionString, broker, exchange]);
        var address = await server.LineAsync();
        int[] sizes = [1000, 20];
        foreach (var sockets in sizes) await MeasureAsync(figures, sockets, quick ? 4 : 12, sockets == sizes[^1] ? "" : $"_{sockets}", broker, exchange, address);
        figures.Set("sockets", sizes[^1]);
        figures.Set("quick", quick);
        figures.Set("cores", Environment.ProcessorCount);
        figures.Set("load_average", double.Parse((await File.ReadAllTextAsync("/proc/loadavg")).Split(' ')[0], CultureInfo.InvariantCulture));
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
}
