using System.Collections.Concurrent;
using FlatRender.Contracts;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace FlatRender.Render;

/// <summary>Hands waiting tasks to free nodes, takes back what was lost. Any number may run: the leases decide.</summary>
sealed class Dispatcher(WorkBook work, NodeBook nodes, NodeCalls calls, IHostApplicationLifetime life, TimeProvider clock, ILogger<Dispatcher> log) : BackgroundService
{
    // Rung awake for new work; this is the slow look behind it, for backoffs and leases that run out.
    static readonly TimeSpan SlowLook = TimeSpan.FromMilliseconds(500);

    // A node that did not take what it was given is not asked again at once, and ever later.
    static readonly TimeSpan Rest = TimeSpan.FromSeconds(1), LongestRest = TimeSpan.FromSeconds(30);

    readonly ConcurrentDictionary<NodeId, (DateTimeOffset Until, int Times)> _resting = [];

    // Since when every look at the book has succeeded.
    long _looking = clock.GetTimestamp(), _looked = clock.GetTimestamp();

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
                _looking = clock.GetTimestamp();
            }
        }
    }

    async Task SweepAsync(CancellationToken cancel)
    {
        // While the door was closed, or this process asleep, or its database away, nobody could be heard: every node is given its time first.
        if (!life.ApplicationStarted.IsCancellationRequested || clock.GetElapsedTime(_looked) > NodeBook.LostAfter) _looking = clock.GetTimestamp();
        _looked = clock.GetTimestamp();
        if (clock.GetElapsedTime(_looking) < NodeBook.LostAfter) return;
        foreach (var lost in await nodes.LoseSilentAsync(cancel)) log.LogWarning("Node {Node} ({Id}) has been silent for {Seconds} s: its work goes to others", lost.Name, lost.Id, NodeBook.LostAfter.TotalSeconds);
        await work.SweepAsync(cancel);
    }

    // True while there may be more to hand out.
    async Task<bool> HandOutAsync(CancellationToken cancel)
    {
        if (!await work.AnythingWaitsAsync(cancel)) return false;
        var handed = false;
        foreach (var node in await nodes.FreeAsync(cancel))
        {
            if (_resting.TryGetValue(node.Id, out var rest) && clock.GetUtcNow() < rest.Until) continue;
            if (await work.LeaseAsync(node.Id, cancel) is not { } task) continue;
            handed = true;
            // Nobody waits for a node that does not answer: its lease counts as taken until it says no.
            _ = AssignAsync(node, task, cancel);
        }

        return handed;
    }

    async Task AssignAsync(FarmNode node, NodeTask task, CancellationToken cancel)
    {
        try
        {
            if (await calls.AssignAsync(node, task, cancel))
            {
                _resting.TryRemove(node.Id, out _);
                return;
            }

            var now = clock.GetUtcNow();
            _resting.AddOrUpdate(node.Id, (now + Rest, 1), (_, was) => (now + Min(Rest * Math.Pow(2, was.Times), LongestRest), was.Times + 1));
            await work.TakeBackAsync(node.Id, task.LeaseId, "its node did not take it", cancel);
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            // The host stops; the node has the task, or the lease runs out.
        }
        catch (Exception e)
        {
            log.LogError(e, "Lease {Lease} could not be taken back from node {Node}: it runs out by itself", task.LeaseId, node.Name);
        }
    }

    static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;
}
