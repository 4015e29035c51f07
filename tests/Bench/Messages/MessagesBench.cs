using System.Globalization;
using System.Text.Json;
using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.TestKit;

namespace FlatRender.Bench.Messages;

/// <summary>Requests through the message gateway beside a raw RPC loop at the same broker, to the same microservice: each a process of its own, in turns.</summary>
static class MessagesBench
{
    const int Seconds = 3;

    /// <summary>Both loads go on where they were woken. Handing every answer of many sockets to a pool of threads first costs as much as asking, and it is not the client that is measured.</summary>
    static readonly (string, string) LeanSockets = ("DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS", "1");

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
        foreach (var sockets in sizes) await MeasureAsync(figures, sockets, quick ? 3 : 15, sockets == sizes[^1] ? "" : $"_{sockets}", broker, exchange, address, server, echo);
        figures.Set("sockets", sizes[^1]);
        figures.Set("quick", quick);
        figures.Set("cores", Environment.ProcessorCount);
        figures.Set("load_average", double.Parse((await File.ReadAllTextAsync("/proc/loadavg")).Split(' ')[0], CultureInfo.InvariantCulture));
        return figures;
    }

    static async Task MeasureAsync(Figures figures, int sockets, int turns, string suffix, string broker, string exchange, string address, Part server, Part echo)
    {
        var count = Text(sockets);
        using var raw = await LoadAsync([echo], "messages-raw", broker, exchange, count, Text(Seconds));
        using var crowd = await LoadAsync([server, echo], "messages-crowd", address, count, Text(Seconds));
        // In short turns, so that both see the same machine: what it is like changes from one minute to the next.
        List<Loaded> straight = [], through = [];
        var cpu = 0.0;
        for (var turn = 0; turn < turns; turn++)
        {
            straight.Add(await TurnAsync(raw));
            var before = Kin.Cpu(server.Pid, ended: false);
            through.Add(await TurnAsync(crowd));
            cpu += Kin.Cpu(server.Pid, ended: false) - before;
        }

        figures.Add("req_per_s" + suffix, Figures.Median(through.Select(t => t.PerSecond)), $"{sockets} sockets, one request at a time each");
        figures.Add("raw_req_per_s" + suffix, Figures.Median(straight.Select(t => t.PerSecond)), "as many loops straight at the broker");
        figures.Add("vs_raw" + suffix, Figures.Median(through.Zip(straight, (t, s) => t.PerSecond / s.PerSecond)), $"median of {turns} neighbouring turns of {Seconds} s", "0.7");
        figures.Add("p50_ms" + suffix, Figures.Median(through.Select(t => t.P50)), "from request to answer, as the client sees it");
        figures.Add("p99_ms" + suffix, Figures.Median(through.Select(t => t.P99)), "");
        figures.Add("raw_p99_ms" + suffix, Figures.Median(straight.Select(t => t.P99)), "");
        figures.Add("cpu_us_a_request" + suffix, cpu / through.Sum(t => t.Answers) * 1e6, "processor time of the gateway's process");
        figures.Add("errors" + suffix, through.Sum(t => t.Errors), "", "0");
    }

    /// <param name="others">Who is to be warm, too.</param>
    /// <returns>One that is warm, and rests.</returns>
    static async Task<Part> LoadAsync(Part[] others, params string[] words)
    {
        var load = new Part(words, LeanSockets);
        await load.LineAsync();
        await load.TellAsync("ask");
        await load.LineAsync();
        foreach (var other in others)
        {
            await other.TellAsync("warm?");
            await other.LineAsync();
        }

        await load.TellAsync("rest");
        await load.LineAsync();
        return load;
    }

    static async Task<Loaded> TurnAsync(Part load)
    {
        await load.TellAsync("go");
        return JsonSerializer.Deserialize<Loaded>(await load.LineAsync())!;
    }

    static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
