using System.Collections.Concurrent;
using System.Text.Json;

namespace FlatRender.Bench.Messages;

/// <summary>What came of a load.</summary>
public sealed record Loaded(double Seconds, long Answers, long Errors, double P50, double P99)
{
    public double PerSecond => Answers / Seconds;
}

/// <summary>So many who ask, and ask again when they have their answer.</summary>
static class Load
{
    /// <summary>Prints "there"; from the next line it hears on it asks, and prints "warm" when it is; at the one after that it rests, and says so; at each further one it asks for so long, and prints what came of it.</summary>
    public static async Task RunAsync(IReadOnlyList<Func<Task>> ask, int seconds)
    {
        Console.WriteLine("there");
        await Part.HearAsync();
        var told = false;
        var warming = AskAsync(ask, _ => !Volatile.Read(ref told));
        await Warm.UpAsync();
        Console.WriteLine("warm");
        await Part.HearAsync();
        Volatile.Write(ref told, true);
        await warming;
        Console.WriteLine("rests");
        while (await Part.HearAsync() is not null) Console.WriteLine(JsonSerializer.Serialize(await AskAsync(ask, since => since.TotalSeconds < seconds)));
    }

    static async Task<Loaded> AskAsync(IReadOnlyList<Func<Task>> ask, Func<TimeSpan, bool> goOn)
    {
        var clock = TimeProvider.System;
        var from = clock.GetTimestamp();
        var (taken, errors) = (new ConcurrentBag<List<double>>(), 0L);
        await Task.WhenAll(ask.Select(one => Task.Run(async () =>
        {
            var mine = new List<double>(4096);
            taken.Add(mine);
            while (goOn(clock.GetElapsedTime(from)))
            {
                var since = clock.GetTimestamp();
                try
                {
                    await one();
                    mine.Add(clock.GetElapsedTime(since).TotalMilliseconds);
                }
                catch (InvalidOperationException)
                {
                    Interlocked.Increment(ref errors);
                }
            }
        })));
        var took = clock.GetElapsedTime(from).TotalSeconds;
        var all = taken.SelectMany(t => t).Order().ToArray();
        return new(took, all.Length, errors, all[all.Length / 2], all[all.Length * 99 / 100]);
    }

    /// <summary>Over sockets of the gateway, one request at a time each.</summary>
    public static async Task OverSocketsAsync(string address, int sockets, int seconds)
    {
        var ask = new List<Func<Task>>();
        foreach (var some in Enumerable.Range(0, sockets).Chunk(50)) ask.AddRange(await Task.WhenAll(some.Select(_ => SocketAsync(address))));
        await RunAsync(ask, seconds);
    }

    static async Task<Func<Task>> SocketAsync(string address)
    {
        var client = await LeanSocket.OpenAsync(new Uri(address), RawLoop.Message);
        return async () =>
        {
            if (!(await client.AskAsync()).Span.StartsWith("{\"content\":"u8)) throw new InvalidOperationException("An error came instead of an answer.");
        };
    }
}
