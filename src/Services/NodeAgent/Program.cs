using System.Globalization;
using System.Runtime.InteropServices;
using FlatRender.NodeAgent;
using FlatRender.NodeAgent.Children;

// A node's life: started by a person or by a host, ended by a signal, a finished drain, or the end of the process that started it.
Settings settings;
try
{
    settings = Settings.Parse(args, Environment.GetEnvironmentVariable);
}
catch (BadArguments e)
{
    Console.Error.WriteLine(e.Message);
    Console.Error.WriteLine(Settings.Usage);
    return 2;
}

var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
void Asked(PosixSignalContext signal)
{
    signal.Cancel = true;
    asked.TrySetResult();
}
using var term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Asked);
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Asked);
using var stopStarting = new CancellationTokenSource();
_ = asked.Task.ContinueWith(_ => stopStarting.Cancel(), TaskScheduler.Default);

try
{
    await using var agent = await Agent.Start(settings, TimeProvider.System, stopStarting.Token);
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"node {agent.Registration.NodeId} listens at {agent.Address} with {settings.Slots} slots"));
    using var watching = new CancellationTokenSource();
    await Task.WhenAny(asked.Task, agent.Ended, Parent.Gone(settings.ParentPid, TimeProvider.System, watching.Token));
    await watching.CancelAsync();
    return 0;
}
catch (OperationCanceledException) when (asked.Task.IsCompleted)
{
    return 0;
}
catch (Exception e) when (e is BadArguments or EngineFault or IOException or System.ComponentModel.Win32Exception)
{
    Console.Error.WriteLine(e.Message);
    return 2;
}
