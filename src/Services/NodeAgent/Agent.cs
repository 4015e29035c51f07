using System.Diagnostics;
using FlatRender.Contracts;
using FlatRender.NodeAgent.Children;
using FlatRender.NodeAgent.Film;
using FlatRender.NodeAgent.Work;

namespace FlatRender.NodeAgent;

/// <summary>What became of an offered task.</summary>
public enum Offered { Taken, Busy, Unfit, Draining }

/// <summary>A render node: the door, the slots and the line home, put together.</summary>
public sealed class Agent : IAsyncDisposable
{
    const int EngineStarts = 3;

    readonly WebApplication _app;
    readonly Workshop _shop;
    readonly Home _home;
    readonly Reports _reports;
    readonly FileStream _claim;
    readonly Refusals _refusals = new();
    readonly Slot[] _slots;
    readonly Running?[] _running;
    readonly List<Task> _work = [];
    readonly Lock _gate = new();
    readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    bool _draining;
    int _gone, _undelivered;

    Agent(WebApplication app, Workshop shop, Home home, FileStream claim, NodeRegistration registration, IReadOnlyList<Engine> spares)
    {
        (_app, _shop, _home, _claim, Registration) = (app, shop, home, claim, registration);
        _slots = [.. Enumerable.Range(0, shop.Settings.Slots).Select(i => new Slot(i, shop))];
        _running = new Running?[_slots.Length];
        for (var i = 0; i < Math.Min(_slots.Length, spares.Count); i++) _slots[i].Adopt(spares[i]);
        _reports = new Reports(home, this, shop.Clock, app.Logger);
    }

    public NodeRegistration Registration { get; private set; }

    /// <summary>Where the door is, on this machine.</summary>
    public string Address => _app.Urls.First();

    /// <summary>Ends when a drain is finished.</summary>
    public Task Ended => _ended.Task;

    /// <summary>Opens the door and begins to call home; the host need not be there yet.</summary>
    public static async Task<Agent> Start(Settings settings, TimeProvider clock, CancellationToken ct)
    {
        if (Confinement.Missing("node", "ffmpeg", "ffprobe").ToArray() is { Length: > 0 } missing) throw new BadArguments([.. missing.Select(m => $"'{m}' is not installed (not found in PATH).")]);
        var claim = HomeFolder.Claim(settings.Home);
        var confinement = await Confinement.Probe(ct);
        var id = HomeFolder.Identity(settings.Home);
        var home = new Home(settings.Orchestrators, settings.Token, id, clock);
        var shop = new Workshop(settings, confinement, new Ffmpeg(confinement, clock), new Files(home, Path.Combine(settings.Home, "files"), (long)settings.CacheMb << 20, clock), clock);
        var app = Build(settings);
        // Each engine tells its digest once; that child then waits, warm, for the first task.
        var spares = new List<Engine>();
        var digests = new Dictionary<string, string>();
        foreach (var (name, script) in settings.Engines)
        {
            var folder = Directory.CreateDirectory(Path.Combine(settings.Home, "scratch", $"spare-{name}")).FullName;
            var engine = await StartEngine(name, script, folder, shop, confinement, app.Logger, ct);
            digests[name] = engine.Digest;
            spares.Add(engine);
        }
        var registration = new NodeRegistration(id, settings.Name, "", settings.Slots, [.. settings.Tags, .. confinement.Tags], digests, typeof(Agent).Assembly.GetName().Version?.ToString(3) ?? "0");
        var agent = new Agent(app, shop, home, claim, registration, spares);
        foreach (var unused in spares.Skip(settings.Slots)) await unused.DisposeAsync();
        new Door(agent, new CallerCheck(settings.Secret, clock), agent._refusals).Map(app);
        await app.StartAsync(ct);
        agent.Registration = registration with { Url = settings.Url ?? Reachable(agent.Address) };
        agent._reports.Begin();
        return agent;
    }

    // One that dies while it comes up may have been struck from outside, as any child may: the node is not lost for that. One that dies each time is broken, and so is the node.
    static async Task<Engine> StartEngine(string name, string script, string folder, Workshop shop, Confinement confinement, ILogger log, CancellationToken ct)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await Engine.Start(name, script, folder, shop.Settings.Limits, confinement, shop.Clock, ct);
            }
            catch (EngineFault fault) when (fault.Code == "ENGINE_CRASHED" && attempt < EngineStarts)
            {
                log.LogWarning("{Fault} It is started again", fault.Message);
            }
        }
    }

    /// <summary>"Every address" is where we listen, not where others find us.</summary>
    static string Reachable(string address)
    {
        var url = new UriBuilder(address);
        if (url.Host is not ("0.0.0.0" or "[::]")) return address;
        url.Host = Environment.MachineName;
        return url.Uri.GetLeftPart(UriPartial.Authority);
    }

    static WebApplication Build(Settings settings)
    {
        // No settings file is read here, so none is watched: the watch is on the whole working folder, and every file of a render would be told to it.
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory, Args = ["--hostBuilder:reloadConfigOnChange=false"] });
        builder.Logging.ClearProviders().AddSimpleConsole(o => (o.SingleLine, o.TimestampFormat) = (true, "HH:mm:ss.fff ")).SetMinimumLevel(LogLevel.Information).AddFilter("Microsoft", LogLevel.Warning).AddFilter("System", LogLevel.Warning);
        builder.WebHost.UseUrls(settings.Listen).ConfigureKestrel(o =>
        {
            (o.Limits.MaxRequestBodySize, o.AddServerHeader) = (Door.MaxBody, false);
            // Calls are small: one that drips is somebody else's, and keeps nobody waiting. So do too many at once.
            o.Limits.MinRequestBodyDataRate = new(bytesPerSecond: 240, gracePeriod: TimeSpan.FromSeconds(2));
            o.Limits.MaxConcurrentConnections = 256;
        });
        return builder.Build();
    }

    /// <summary>Why the node can take nothing new now; null: it can. Its segments, manifests and films need room on the disk: a node without any would fail at every piece it is given, and bring each render nearer to its end.</summary>
    public string? Unfit()
    {
        try
        {
            var (free, needed) = (new DriveInfo(_shop.Settings.Home).AvailableFreeSpace >> 20, _shop.Settings.MinFreeMb);
            return free < needed ? $"its disk is full ({free} MB are free, {needed} MB are needed)" : null;
        }
        catch (IOException e)
        {
            return $"its folder cannot be looked at ({e.Message})";
        }
    }

    /// <summary>Takes a task if a slot is free. The same lease offered again (its answer was lost) is the same task.</summary>
    public Offered Offer(NodeTask task)
    {
        lock (_gate)
        {
            if (_running.Any(r => r?.Task.LeaseId == task.LeaseId && r.Task.Epoch == task.Epoch)) return Offered.Taken;
            if (_draining) return Offered.Draining;
            if (Unfit() is not null) return Offered.Unfit;
            var free = Array.IndexOf(_running, null);
            // The warm engine of a slot is worth more than the order of slots.
            if (free < 0) return Offered.Busy;
            for (var i = 0; i < _slots.Length; i++)
                if (_running[i] is null && _slots[i].IsWarmFor(task)) free = i;
            var running = _running[free] = new Running(task, _shop.Clock);
            _work.RemoveAll(w => w.IsCompleted);
            _undelivered++;
            _work.Add(Task.Run(() => Work(free, running)));
            return Offered.Taken;
        }
    }

    async Task Work(int slot, Running running)
    {
        NodeResult result;
        using var activity = Traced(running.Task);
        try
        {
            result = await _slots[slot].Run(running);
        }
        catch (Exception e)
        {
            // A fault of ours, not of the task: the host must hear of it all the same, and the next task may do better.
            _app.Logger.LogError(e, "Task {Lease} ended in a fault of the agent", running.Task.LeaseId);
            result = new TaskFailed(running.Task.LeaseId, running.Task.Epoch, new(0, 0, 0, 0, 0, 0, 0), "NODE_FAULT", $"The agent failed: {e.Message}");
        }
        AgentMeters.Ended(result is TaskFailed f ? f.Code : result.GetType().Name);
        if (result is TaskFailed failed) _app.Logger.LogWarning("Task {Lease} failed: {Code} {Reason}", failed.LeaseId, failed.Code, failed.Reason);
        lock (_gate) _running[slot] = null;
        running.Dispose();
        await _reports.Deliver(result);
        lock (_gate) _undelivered--;
        EndIfDrained();
    }

    // Calls to the orchestrator made under it carry the render's trace, whether or not anybody listens here.
    static Activity? Traced(NodeTask task) => ActivityContext.TryParse(task.Trace, null, isRemote: true, out _) ? new Activity("flatrender.task").SetParentId(task.Trace!).Start() : null;

    /// <summary>False when no slot works on it.</summary>
    public bool Abort(LeaseId lease, string reason)
    {
        Running? running;
        lock (_gate) running = _running.FirstOrDefault(r => r?.Task.LeaseId == lease);
        running?.Abort(reason);
        return running is not null;
    }

    public void AbortAll(string reason)
    {
        foreach (var running in Busy()) running.Abort(reason);
    }

    /// <summary>Finishes what it has, takes nothing new, leaves, ends.</summary>
    public void Drain()
    {
        lock (_gate)
        {
            if (_draining) return;
            _draining = true;
        }
        _app.Logger.LogInformation("Draining");
        EndIfDrained();
    }

    void EndIfDrained()
    {
        lock (_gate)
            if (!_draining || _undelivered > 0) return;
        _ended.TrySetResult();
    }

    internal IReadOnlyList<Running> Busy()
    {
        lock (_gate) return [.. _running.OfType<Running>()];
    }

    public IReadOnlyList<TaskProgress> Progress() => [.. Busy().Select(r => new TaskProgress(r.Task.LeaseId, r.Task.Epoch, r.Done))];

    public NodeStatus Status()
    {
        var tasks = Progress();
        return new(Registration.NodeId, _draining ? "draining" : _reports.Welcome ? "ready" : "joining", _slots.Length, tasks.Count, tasks, _refusals.Counted);
    }

    /// <summary>Stops now: children die, the host is told, nothing stays in the scratch folder.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _gone, 1) != 0) return;
        lock (_gate) _draining = true;
        AbortAll("The node is leaving.");
        Task[] work;
        lock (_gate) work = [.. _work];
        _reports.Hurry();
        await Task.WhenAll(work);
        await _reports.Leave();
        await _app.DisposeAsync();
        foreach (var slot in _slots) await slot.DisposeAsync();
        _home.Dispose();
        HomeFolder.Release(_claim, _shop.Settings.Home);
        _ended.TrySetResult();
    }
}
