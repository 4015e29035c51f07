namespace FlatRender.Sockets.Tests;

/// <summary>Waits for a thing itself, by looking often; says what it was waiting for.</summary>
static class Until
{
    public static async Task SoAsync(string what, Func<Task<bool>> isSo)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        using var look = new PeriodicTimer(TimeSpan.FromMilliseconds(5));
        while (!await isSo())
        {
            if (patience.IsCancellationRequested) throw new TimeoutException($"Not so within 30 s: {what}");
            await look.WaitForNextTickAsync(CancellationToken.None);
        }
    }
}
