namespace FlatRender.Cli;

/// <summary>A RabbitMQ of our own for tests: one node, gone afterwards.</summary>
public sealed class PrivateRabbit(Home home, TimeProvider clock)
{
    /// <returns>What to stop, in this order, and the address.</returns>
    public async Task<(IReadOnlyList<ProcessMark> Processes, string Url)> StartAsync(Leash leash, CancellationToken stop)
    {
        var folder = Path.Combine(home.Folder, "test-rabbit");
        if (Directory.Exists(folder))
            Directory.Delete(folder, recursive: true);
        Directory.CreateDirectory(folder);
        var node = new RabbitNode(folder, $"flatrender-{Environment.ProcessId}@localhost", Ports.Low(0), Ports.Low(1));
        var nodes = new RabbitNodes(folder, Ports.Low(2), of => home.Log(of == "epmd" ? "test-epmd" : "test-rabbit"), clock);
        var epmd = nodes.StartNames();
        leash.Hold(epmd, Signals.Terminate);
        var (rabbit, words) = nodes.Start(node, [node]);
        leash.Hold(rabbit, Signals.Terminate);
        try
        {
            await nodes.WaitAsync(rabbit, words, stop);
        }
        catch
        {
            await StopAsync([rabbit, epmd], clock);
            throw;
        }
        return ([rabbit, epmd], node.Url);
    }

    public static async Task StopAsync(IReadOnlyList<ProcessMark> processes, TimeProvider clock)
    {
        foreach (var process in processes)
            await process.StopAsync(Signals.Terminate, TimeSpan.FromSeconds(15), clock);
    }
}
