namespace FlatRender.Cli.Tests;

/// <summary>Waits for a thing itself.</summary>
static class Wait
{
    /// <summary>For a machine that is busy with something else.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    public static Task UntilAsync(Func<bool> seen) => UntilAsync(() => Task.FromResult(seen()));

    public static async Task UntilAsync(Func<Task<bool>> seen)
    {
        using var patience = new CancellationTokenSource(Patience);
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (!await seen())
            await tick.WaitForNextTickAsync(patience.Token);
    }
}
