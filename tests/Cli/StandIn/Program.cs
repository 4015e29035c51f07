using System.Runtime.InteropServices;
using FlatRender.StandIn;

// Started as the host is (`serve --urls URL ...`), it is the other side of the public REST; started as the node agent is, it waits to be ended.
if (args is ["serve", ..])
{
    var url = args[Array.IndexOf(args, "--urls") + 1];
    try
    {
        await using var host = await StandInHost.StartAsync(url, Environment.GetEnvironmentVariable("FLATRENDER_API_TOKEN")!);
        Console.WriteLine($"ready {host.Url}");
        await host.WaitForShutdownAsync();
        return 0;
    }
    catch (IOException e)
    {
        Console.Error.WriteLine(e.Message);
        return 1;
    }
}

var ended = new TaskCompletionSource();
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context =>
{
    context.Cancel = true;
    ended.TrySetResult();
});
var parent = System.Diagnostics.Process.GetProcessById(int.Parse(args[Array.IndexOf(args, "--parent-pid") + 1], System.Globalization.CultureInfo.InvariantCulture));
await Task.WhenAny(ended.Task, parent.WaitForExitAsync());
return 0;
