using System.Globalization;
using FlatRender.Bench;
using FlatRender.Bench.Messages;
using FlatRender.Bench.Sockets;

// Each benchmark prints a Markdown table and, as its last line, one JSON object with every figure.
// What chaos may be given besides.
int? seed = null, jobs = null, brokers = null;
var benches = new Dictionary<string, Func<bool, CancellationToken, Task<Figures>>>
{
    ["store"] = (quick, _) => StoreBench.RunAsync(quick),
    ["film"] = FilmBench.RunAsync,
    ["faults"] = FaultsBench.RunAsync,
    ["kills"] = (quick, _) => KillsBench.RunAsync(quick),
    ["chaos"] = (quick, stop) => ChaosBench.RunAsync(quick, seed, jobs, brokers, stop),
    ["cluster"] = (quick, _) => ClusterBench.RunAsync(quick),
    ["sockets"] = (quick, _) => SocketsBench.RunAsync(quick),
    ["messages"] = (quick, _) => MessagesBench.RunAsync(quick),
};

// Processes of a benchmark that runs in several.
switch (args)
{
    case ["sockets-server", "bare", var sockets, var seconds, _]:
        await BareServer.RunAsync(Number(sockets), Number(seconds));
        return 0;
    case ["sockets-server", "live", var sockets, var seconds, var database]:
        await LiveServer.RunAsync(Number(sockets), Number(seconds), database);
        return 0;
    case ["messages-server", var database, var broker, var exchange]:
        await MessageServer.RunAsync(database, broker, exchange);
        return 0;
    case ["messages-echo", var broker, var exchange]:
        await RawLoop.EchoAsync(broker, exchange);
        return 0;
    case ["messages-raw", var broker, var exchange, var loops, var seconds]:
        await RawLoop.RunAsync(broker, exchange, Number(loops), Number(seconds));
        return 0;
    case ["messages-crowd", var address, var sockets, var seconds]:
        await Load.OverSocketsAsync(address, Number(sockets), Number(seconds));
        return 0;
    case ["cluster-render", var shared]:
        await ClusterBench.RenderAsync(shared);
        return 0;
    case ["sockets-crowd", var addresses, var sockets]:
        await Crowd.RunAsync(addresses, Number(sockets));
        return 0;
}

while (args is ["chaos", .. var before, "--seed" or "--jobs" or "--brokers", var given] && int.TryParse(given, CultureInfo.InvariantCulture, out var number))
{
    switch (args[^2])
    {
        case "--seed": seed = number; break;
        case "--jobs": jobs = number; break;
        default: brokers = number; break;
    }
    args = ["chaos", .. before];
}
if (args is not [var name, .. var rest] || !benches.TryGetValue(name, out var bench) || rest is not ([] or ["--quick"]))
{
    Console.Error.WriteLine($"usage: FlatRender.Bench {string.Join('|', benches.Keys)} [--quick]   (chaos: [--quick] [--seed N] [--jobs N] [--brokers 1-3])");
    return 2;
}

// Interrupted, a benchmark takes along what it started.
using var stop = new CancellationTokenSource();
void Stop(System.Runtime.InteropServices.PosixSignalContext signal)
{
    signal.Cancel = true;
    stop.Cancel();
}
using var interrupt = System.Runtime.InteropServices.PosixSignalRegistration.Create(System.Runtime.InteropServices.PosixSignal.SIGINT, Stop);
using var term = System.Runtime.InteropServices.PosixSignalRegistration.Create(System.Runtime.InteropServices.PosixSignal.SIGTERM, Stop);
try
{
    (await bench(rest.Length == 1, stop.Token)).Print(Console.Out);
    return 0;
}
catch (OperationCanceledException) when (stop.IsCancellationRequested)
{
    return 130;
}

static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
