using System.Runtime;

namespace FlatRender.Bench;

/// <summary>
/// Whether this process's code is as it will stay. Methods that are used are compiled once more, and better, in the background, which at first takes a gateway as much
/// processor time as all it is asked to do, or three times that. It is the price of a start, not of a message, so whoever measures messages waits for its end.
/// </summary>
static class Warm
{
    // Now and then a method that is called every few seconds has been called often enough: that is nothing.
    const int Few = 3;

    static readonly TimeSpan Look = TimeSpan.FromMilliseconds(100), Calm = TimeSpan.FromSeconds(2), Patience = TimeSpan.FromSeconds(90);

    /// <summary>Returns when next to nothing has been compiled for a while, though there is work; at last when patience ends.</summary>
    public static async Task UpAsync()
    {
        var clock = TimeProvider.System;
        var from = clock.GetTimestamp();
        var (since, compiled) = (from, JitInfo.GetCompiledMethodCount());
        while (clock.GetElapsedTime(since) < Calm && clock.GetElapsedTime(from) < Patience)
        {
            await Task.Delay(Look, clock);
            if (JitInfo.GetCompiledMethodCount() - compiled > Few) (since, compiled) = (clock.GetTimestamp(), JitInfo.GetCompiledMethodCount());
        }
    }

    /// <summary>A part of a benchmark that works until it is ended; asked by a line, it answers when it is warm.</summary>
    public static async Task AnswerAsync()
    {
        while (await Part.HearAsync() is not null)
        {
            await UpAsync();
            Console.WriteLine("warm");
        }
    }
}
