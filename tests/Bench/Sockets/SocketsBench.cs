using System.Globalization;
using System.Text.Json;
using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.TestKit;

namespace FlatRender.Bench.Sockets;

/// <summary>The live sockets beside a bare Kestrel loop that sends the same bytes as often, each in a process of its own, watched by a crowd in a third.</summary>
static class SocketsBench
{
    public static async Task<Figures> RunAsync(bool quick)
    {
        var figures = new Figures("Live sockets");
        await using var database = await OwnDatabase.CreateAsync();
        await Migration.ApplyAsync(database.Source, "eventstore");
        int[] sizes = quick ? [200, 1000] : [1000, 5000];
        foreach (var sockets in sizes)
        {
            var seconds = quick ? 6 : 15;
            var bare = await MeasureAsync("bare", sockets, seconds, database.ConnectionString);
            var live = await MeasureAsync("live", sockets, seconds, database.ConnectionString);
            // The last, largest size has the plain names.
            var suffix = sockets == sizes[^1] ? "" : $"_{sockets}";
            figures.Add("cpu_vs_bare" + suffix, live.CpuPerMessage / bare.CpuPerMessage, $"{sockets} sockets: processor time a message sent, beside the bare loop's", "1.5");
            figures.Add("memory_vs_bare" + suffix, live.HeapPerSocket / bare.HeapPerSocket, "managed memory in use a socket, beside the bare loop's", "1.5");
            figures.Add("p50_ms" + suffix, live.P50, "from commit to the watching client, while all sockets are told twice a second");
            figures.Add("p99_ms" + suffix, live.P99, "", "250");
            foreach (var (what, m) in new[] { ("bare", bare), ("live", live) })
            {
                figures.Add($"{what}_cpu_percent{suffix}", m.CpuSeconds / m.Seconds * 100, "of one core");
                figures.Add($"{what}_messages_per_s{suffix}", m.Messages / m.Seconds, "");
                figures.Add($"{what}_cpu_us_a_message{suffix}", m.CpuPerMessage * 1e6, "");
                figures.Add($"{what}_heap_kb_a_socket{suffix}", m.HeapPerSocket / 1024, "");
                figures.Add($"{what}_resident_kb_a_socket{suffix}", m.ResidentPerSocket / 1024, "");
            }
        }

        figures.Set("sockets", sizes[^1]);
        figures.Set("quick", quick);
        figures.Set("cores", Environment.ProcessorCount);
        figures.Set("watchers_a_render", LiveServer.Watchers);
        figures.Set("progress_a_render_per_s", LiveServer.PerSecond);
        return figures;
    }

    static async Task<Measured> MeasureAsync(string what, int sockets, int seconds, string database)
    {
        // Threads as the host has them; the bare loop, too.
        using var server = new Part(["sockets-server", what, Text(sockets), Text(seconds), database]);
        using var crowd = new Part(["sockets-crowd", await server.LineAsync(), Text(sockets)]);
        await crowd.LineAsync();
        await server.TellAsync("go");
        return JsonSerializer.Deserialize<Measured>(await server.LineAsync())!;
    }

    static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}

/// <summary>What a server measured of itself.</summary>
/// <param name="HeapPerSocket">Bytes.</param>
public sealed record Measured(double Seconds, double CpuSeconds, long Messages, double HeapPerSocket, double ResidentPerSocket, double P50, double P99)
{
    public double CpuPerMessage => CpuSeconds / Messages;

    /// <summary>Managed bytes in use, and resident ones.</summary>
    public static (long Heap, long Resident) Memory()
    {
        for (var n = 0; n < 3; n++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        return (GC.GetTotalMemory(forceFullCollection: true), Environment.WorkingSet);
    }

    /// <summary>Around what happens in so many seconds, once all are told and the code is warm: by work, not by time, as a busy machine takes its time.</summary>
    public static async Task<Measured> OfAsync(int seconds, int sockets, (long Heap, long Resident) before, Func<long> messages)
    {
        var clock = TimeProvider.System;
        var patience = clock.GetTimestamp();
        while (messages() < Math.Max(10_000, sockets * 4L) && clock.GetElapsedTime(patience) < TimeSpan.FromSeconds(60)) await Task.Delay(TimeSpan.FromMilliseconds(50), clock);
        await Warm.UpAsync();
        var (from, cpu, first) = (clock.GetTimestamp(), Cpu.OwnSeconds(), messages());
        await Task.Delay(TimeSpan.FromSeconds(seconds), clock);
        var (took, used, sent) = (clock.GetElapsedTime(from).TotalSeconds, Cpu.OwnSeconds() - cpu, messages() - first);
        var after = Memory();
        return new(took, used, sent, (double)(after.Heap - before.Heap) / sockets, (double)(after.Resident - before.Resident) / sockets, 0, 0);
    }
}
