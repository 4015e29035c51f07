using System.Net;
using FlatRender.Contracts;

namespace FlatRender.NodeAgent;

/// <summary>What the agent tells home and when: that it is there, that it lives, how far it is, and how tasks ended.</summary>
sealed class Reports(Home home, Agent agent, TimeProvider clock, ILogger log)
{
    static readonly TimeSpan BetweenProgress = TimeSpan.FromMilliseconds(250);

    // Whoever ends an agent gives it ten seconds: these, one after the other, and three for its children to die.
    static readonly TimeSpan LastWords = TimeSpan.FromSeconds(2), Goodbye = TimeSpan.FromSeconds(5);
    readonly CancellationTokenSource _stop = new(), _hurry = new();
    readonly SemaphoreSlim _registering = new(1, 1);
    Task _beating = Task.CompletedTask, _telling = Task.CompletedTask;
    double _heartbeatSeconds = 1;
    volatile bool _registrationLost;
    int _welcomes;

    /// <summary>True once the host has taken this node in.</summary>
    public bool Welcome => Volatile.Read(ref _welcomes) > 0;

    public void Begin()
    {
        _beating = Task.Run(Beat);
        _telling = Task.Run(Tell);
    }

    async Task Beat()
    {
        try
        {
            await Register(0, _stop.Token);
            while (true)
            {
                await Task.Delay(TimeSpan.FromSeconds(_heartbeatSeconds), clock, _stop.Token);
                var known = _welcomes;
                await Once("heartbeat", async () => Obey(await home.Beat(new(agent.Progress(), Environment.WorkingSet, agent.Unfit()), _stop.Token), known));
                if (_registrationLost) await Register(known, _stop.Token);
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
        }
    }

    async Task Tell()
    {
        try
        {
            var told = new Dictionary<LeaseId, int>();
            using var timer = new PeriodicTimer(BetweenProgress, clock);
            while (await timer.WaitForNextTickAsync(_stop.Token))
            {
                if (!Welcome) continue;
                var busy = agent.Busy();
                foreach (var gone in told.Keys.Except(busy.Select(r => r.Task.LeaseId)).ToArray()) told.Remove(gone);
                foreach (var running in busy)
                {
                    var lease = running.Task.LeaseId;
                    var done = running.Done;
                    var preview = running.TakePreview();
                    if (preview is null && done == told.GetValueOrDefault(lease)) continue;
                    told[lease] = done;
                    var known = _welcomes;
                    await Once("progress", async () => Obey(await home.Tell(new(lease, running.Task.Epoch, done, running.FramesPerSecond, preview), _stop.Token), known));
                }
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
        }
    }

    void Obey(NodeOrders? orders, int known)
    {
        if (orders is null)
        {
            _registrationLost = _welcomes == known;
            return;
        }
        foreach (var lease in orders.Abort) agent.Abort(lease, "The orchestrator told the node to drop the task.");
        if (orders.Drain) agent.Drain();
    }

    /// <summary>Until the host answers. A host that knows us no more but welcomes us again keeps our tasks; what it does not want it tells us to drop.</summary>
    async Task Register(int known, CancellationToken ct)
    {
        await _registering.WaitAsync(ct);
        try
        {
            if (_welcomes > known) return;
            for (var failures = 0; ; failures++)
            {
                try
                {
                    var welcome = await home.Register(agent.Registration, ct);
                    _heartbeatSeconds = Math.Clamp(welcome.HeartbeatSeconds, 0.05, 60);
                    _registrationLost = false;
                    Interlocked.Increment(ref _welcomes);
                    log.LogInformation("Registered as {Node} at {Url}", agent.Registration.NodeId, agent.Registration.Url);
                    return;
                }
                catch (Exception e) when (Backoff.MayPass(e))
                {
                    if (failures == 0) log.LogWarning("Cannot register yet: {Reason}", e.Message);
                    // The host is there and does not want us: whatever we work on is not wanted either.
                    if (e is HttpRequestException { StatusCode: >= HttpStatusCode.BadRequest and < HttpStatusCode.InternalServerError }) agent.AbortAll("The host refuses this node.");
                    await Task.Delay(Backoff.After(failures), clock, ct);
                }
            }
        }
        finally
        {
            _registering.Release();
        }
    }

    /// <summary>Until the host has answered: 409 and other refusals are answers, the lease is not ours any more.</summary>
    public async Task Deliver(NodeResult result)
    {
        for (var failures = 0; ; failures++)
        {
            try
            {
                var known = _welcomes;
                var answer = await home.Finish(result, _hurry.Token);
                if (answer is HttpStatusCode.NotFound) await Register(known, _hurry.Token);
                else if ((int)answer is < 400 or 400 or 409 or 410 or 413 or 422)
                {
                    if ((int)answer >= 400) log.LogWarning("The host refused the result of lease {Lease}: {Status}", result.LeaseId, (int)answer);
                    return;
                }
            }
            catch (Exception e) when (Backoff.MayPass(e))
            {
                if (failures == 0) log.LogWarning("The result of lease {Lease} waits: {Reason}", result.LeaseId, e.Message);
            }
            catch (OperationCanceledException)
            {
                return;
            }
            try
            {
                await Task.Delay(Backoff.After(failures), clock, _hurry.Token);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    /// <summary>The agent goes: what cannot be delivered soon is dropped, its lease runs out at the host.</summary>
    public void Hurry() => _hurry.CancelAfter(LastWords);

    public async Task Leave()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_beating, _telling);
        if (!Welcome) return;
        using var patience = new CancellationTokenSource(Goodbye, clock);
        try
        {
            await home.Leave(patience.Token);
        }
        catch (Exception e) when (e is OperationCanceledException || Backoff.MayPass(e))
        {
            log.LogWarning("Could not say goodbye: {Reason}", e.Message);
        }
    }

    async Task Once(string what, Func<Task> call)
    {
        try
        {
            await call();
        }
        catch (Exception e) when (Backoff.MayPass(e))
        {
            log.LogWarning("The host did not take a {What}: {Reason}", what, e.Message);
        }
    }
}
