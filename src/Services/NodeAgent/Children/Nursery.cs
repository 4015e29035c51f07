using System.Collections.Concurrent;
using System.Diagnostics;

namespace FlatRender.NodeAgent.Children;

/// <summary>Starts all children from one thread that lives as long as the process: the kernel's "signal me when my parent dies" means the parent's <em>thread</em>, and pool threads retire.</summary>
static class Nursery
{
    static readonly BlockingCollection<(ProcessStartInfo Plan, TaskCompletionSource<Process> Born)> Orders = [];

    static Nursery() => new Thread(Work) { IsBackground = true, Name = "nursery" }.Start();

    public static Task<Process> Start(ProcessStartInfo plan)
    {
        var born = new TaskCompletionSource<Process>(TaskCreationOptions.RunContinuationsAsynchronously);
        Orders.Add((plan, born));
        return born.Task;
    }

    static void Work()
    {
        foreach (var (plan, born) in Orders.GetConsumingEnumerable())
        {
            try
            {
                born.SetResult(Process.Start(plan) ?? throw new InvalidOperationException($"'{plan.FileName}' did not start."));
            }
            catch (Exception e)
            {
                born.SetException(e);
            }
        }
    }
}
