using System.Collections.Concurrent;
using System.Diagnostics;

namespace FlatRender.NodeAgent.Children;

/// <summary>Starts all children from one thread that lives as long as the process: the kernel's "signal me when my parent dies" means the parent's <em>thread</em>, and pool threads retire.</summary>
static class Nursery
{
    static readonly BlockingCollection<(ProcessStartInfo Plan, FrameRoom? Room, TaskCompletionSource<Process> Born)> Orders = [];

    static Nursery() => new Thread(Work) { IsBackground = true, Name = "nursery" }.Start();

    /// <param name="room">It inherits this; no other child does, for they are started one after the other.</param>
    public static Task<Process> Start(ProcessStartInfo plan, FrameRoom? room = null)
    {
        var born = new TaskCompletionSource<Process>(TaskCreationOptions.RunContinuationsAsynchronously);
        Orders.Add((plan, room, born));
        return born.Task;
    }

    static void Work()
    {
        foreach (var (plan, room, born) in Orders.GetConsumingEnumerable())
        {
            try
            {
                room?.Lend(true);
                born.SetResult(Process.Start(plan) ?? throw new InvalidOperationException($"'{plan.FileName}' did not start."));
            }
            catch (Exception e)
            {
                born.SetException(e);
            }
            finally
            {
                room?.Lend(false);
            }
        }
    }
}
