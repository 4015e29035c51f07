using FlatRender.Bench;

// Each benchmark prints a Markdown table and, as its last line, one JSON object with every figure.
var benches = new Dictionary<string, Func<bool, CancellationToken, Task<Figures>>>
{
    ["store"] = (quick, _) => StoreBench.RunAsync(quick),
    ["film"] = FilmBench.RunAsync,
    ["faults"] = FaultsBench.RunAsync,
};

if (args is not [var name, .. var rest] || !benches.TryGetValue(name, out var bench) || rest is not ([] or ["--quick"]))
{
    Console.Error.WriteLine($"usage: FlatRender.Bench {string.Join('|', benches.Keys)} [--quick]");
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
