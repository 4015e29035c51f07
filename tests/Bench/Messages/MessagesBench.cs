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
        foreach (var sockets in sizes) await MeasureAsync(figures, sockets, quick ? 4 : 12, sockets == sizes[^1] ? "" : $"_{sockets}", broker, exchange, address, server, echo);
        figures.Set("sockets", sizes[^1]);
        figures.Set("quick", quick);
        figures.Set("cores", Environment.ProcessorCount);
        figures.Set("load_average", double.Parse((await File.ReadAllTextAsync("/proc/loadavg")).Split(' ')[0], CultureInfo.InvariantCulture));
        return figures;
    }

    static async Task MeasureAsync(Figures figures, int sockets, int seconds, string suffix, string broker, string exchange, string address, Part server, Part echo)
    {
        var (count, time) = (Text(sockets), Text(seconds));
        // Around the one that is measured, so that a machine that grows slower is not taken for a gateway that is.
        var (before, _) = await LoadAsync([echo], "messages-raw", broker, exchange, count, time);
        var (through, cpu) = await LoadAsync([server, echo], "messages-crowd", address, count, time);
        var (after, _) = await LoadAsync([echo], "messages-raw", broker, exchange, count, time);
        var raw = (before.Answers / before.Seconds + after.Answers / after.Seconds) / 2;
        figures.Add("req_per_s" + suffix, through.Answers / through.Seconds, $"{sockets} sockets, one request at a time each");
        figures.Add("raw_req_per_s" + suffix, raw, "as many loops straight at the broker, before and after");
        figures.Add("vs_raw" + suffix, through.Answers / through.Seconds / raw, "", "0.7");
        figures.Add("p50_ms" + suffix, through.P50, "from request to answer, as the client sees it");
        figures.Add("p99_ms" + suffix, through.P99, "");
        figures.Add("raw_p99_ms" + suffix, Math.Max(before.P99, after.P99), "");
        figures.Add("cpu_us_a_request" + suffix, cpu / through.Answers * 1e6, "processor time of the gateway's process");
        figures.Add("errors" + suffix, through.Errors, "", "0");
    }

    /// <param name="others">Who is to be warm, too.</param>
    /// <returns>What came of it, and the seconds of processor that the first of the others took.</returns>
    static async Task<(Loaded, double Cpu)> LoadAsync(Part[] others, params string[] words)
    {
        using var load = new Part(words);
        await load.LineAsync();
        await load.TellAsync("ask");
        await load.LineAsync();
        foreach (var other in others)
        {
            await other.TellAsync("warm?");
            await other.LineAsync();
        }

        var cpu = Kin.Cpu(others[0].Pid, ended: false);
        await load.TellAsync("go");
        var loaded = JsonSerializer.Deserialize<Loaded>(await load.LineAsync())!;
        return (loaded, Kin.Cpu(others[0].Pid, ended: false) - cpu);
    }

    static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
