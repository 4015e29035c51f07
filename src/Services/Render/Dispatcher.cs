using FlatRender.Contracts;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace FlatRender.Render;

/// <summary>Hands waiting tasks to free nodes, takes back what was lost. Any number may run: the leases decide.</summary>
sealed class Dispatcher(WorkBook work, NodeBook nodes, NodeCalls calls, LiveBoard live, TimeProvider clock, ILogger<Dispatcher> log) : BackgroundService
{
    // Rung awake for new work; this is the slow look behind it, for backoffs and leases that run out.
    static readonly TimeSpan SlowLook = TimeSpan.FromMilliseconds(500);

    // A node that did not take what it was given is not asked again at once.
    static readonly TimeSpan Rest = TimeSpan.FromSeconds(1);
    readonly Dictionary<NodeId, DateTimeOffset> _resting = [];

    protected override async Task ExecuteAsync(CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                await work.News.WaitAsync(SlowLook, clock, stopping);
                await SweepAsync(stopping);
                while (await HandOutAsync(stopping))
                {
                }
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                // Whatever it was, the book stays as it is and the next look tries again: one bad row must not stop everybody's work.
                log.LogError(e, "The dispatcher could not hand out work");
            }
        }
    }

    async Task SweepAsync(CancellationToken cancel)
    {
        foreach (var lost in await nodes.LoseSilentAsync(cancel))
        {
            log.LogWarning("Node {Node} ({Id}) has been silent for {Seconds} s: its work goes to others", lost.Name, lost.Id, NodeBook.LostAfter.TotalSeconds);
            await work.TakeBackAsync(lost.Id, null, cancel);
        }

        await work.TakeBackAsync(null, null, cancel);
    }

    // True while there may be more to hand out.
    async Task<bool> HandOutAsync(CancellationToken cancel)
    {
        var handed = false;
        foreach (var node in await nodes.FreeAsync(cancel))
        {
            if (_resting.TryGetValue(node.Id, out var until) && clock.GetUtcNow() < until) continue;
            if (await work.LeaseAsync(node.Id, node.Slots, cancel) is not { } task) return false;
            if (await calls.AssignAsync(node, task, cancel))
            {
                handed = true;
                continue;
            }

            _resting[node.Id] = clock.GetUtcNow() + Rest;
            live.Ended(task.LeaseId);
            await work.TakeBackAsync(node.Id, task.LeaseId, cancel);
        }

        return handed;
    }
}
