namespace FlatRender.Cli.Tests;

/// <summary>Waits for a thing itself.</summary>
static class Wait
{
    public static async Task UntilAsync(Func<bool> seen)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (!seen())
            await tick.WaitForNextTickAsync(patience.Token);
    }
}
