using System.Runtime.InteropServices;
using FlatRender.Cli;

using var stop = new CancellationTokenSource();
var signal = 0;
void Stop(PosixSignalContext context)
{
    // Servers that this command started are stopped in order; the process ends when that is done.
    context.Cancel = true;
    Interlocked.CompareExchange(ref signal, context.Signal == PosixSignal.SIGINT ? 2 : context.Signal == PosixSignal.SIGHUP ? 1 : 15, 0);
    stop.Cancel();
}
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
using var hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, Stop);

var exit = await Commands.RunAsync(Workplace.Here(), args, stop.Token);
return signal != 0 && exit == Exit.Interrupted ? 128 + signal : exit;
