using FlatRender.Contracts;
using FlatRender.NodeAgent.Children;
using FlatRender.NodeAgent.Film;

namespace FlatRender.NodeAgent.Work;

/// <summary>What all slots of a node share.</summary>
sealed record Workshop(Settings Settings, Confinement Confinement, Ffmpeg Ffmpeg, Files Files, TimeProvider Clock);

/// <summary>Runs one task at a time. Its engine stays warm while the next task needs the same scene.</summary>
sealed class Slot(int number, Workshop shop) : IAsyncDisposable
{
    static readonly TimeSpan BetweenPreviews = TimeSpan.FromSeconds(2);
    Engine? _engine;
    long? _lastPreview;
    string? _awaited;

    public Workshop Shop => shop;
    public string Scratch { get; } = Path.Combine(shop.Settings.Home, "scratch", $"slot{number}");
    string EngineFolder => Path.Combine(shop.Settings.Home, "scratch", $"engine{number}");

    /// <summary>Takes an engine that is up but has nothing loaded.</summary>
    public void Adopt(Engine engine) => _engine = engine;

    public bool IsWarmFor(NodeTask task) => _engine is { HasEnded: false, Scene: { } scene } && task switch
    {
        RenderTask render => scene == Rendering.SceneOf(task, render.Engine),
        ValidateTask validate => scene == Rendering.SceneOf(task, validate.Engine),
        _ => false,
    };

    public bool PreviewIsDue()
    {
        if (_lastPreview is { } last && shop.Clock.GetElapsedTime(last) < BetweenPreviews) return false;
        _lastPreview = shop.Clock.GetTimestamp();
        return true;
    }

    /// <inheritdoc cref="Files.Fetch"/>
    public Task<Borrowed> Fetch(string digest, CancellationToken ct) => Awaited($"file {digest} had not come", shop.Files.Fetch(digest, ct), ct);

    /// <inheritdoc cref="Files.Send"/>
    public Task<Borrowed> Send(string path, CancellationToken ct) => Awaited($"its {Path.GetFileName(path)} had not been taken", shop.Files.Send(path, ct), ct);

    async Task<Borrowed> Awaited(string what, Task<Borrowed> file, CancellationToken ct)
    {
        try
        {
            return await file;
        }
        catch (Exception e) when (ct.IsCancellationRequested)
        {
            _awaited = $"{what} ({e.Message})";
            throw;
        }
    }

    /// <summary>An engine that has this scene loaded: the warm one, or a new one.</summary>
    public async Task<Engine> EngineFor(Scene scene, Stopwatches watches, CancellationToken ct)
    {
        if (_engine is { HasEnded: false } warm && warm.Scene == scene) return warm;
        var fetching = watches.Now;
        using var template = await Fetch(scene.TemplateDigest, ct);
        watches.Fetch += watches.Since(fetching);
        var starting = watches.Now;
        // Another template never meets what the last one left in memory.
        if (_engine is { } other && (other.HasEnded || other.Scene is not null || other.Name != scene.Engine)) await DropEngine();
        try
        {
            _engine ??= await Engine.Start(scene.Engine, shop.Settings.Engines[scene.Engine], Directory.CreateDirectory(EngineFolder).FullName, shop.Settings.Limits, shop.Confinement, shop.Clock, ct);
            using var stop = _engine.KilledBy(ct);
            await _engine.Load(scene, template.Path, ct);
            return _engine;
        }
        finally
        {
            watches.Start += watches.Since(starting);
        }
    }

    /// <summary>An engine that has this scene loaded and has drawn nothing yet.</summary>
    public async Task<Engine> FreshEngineFor(Scene scene, Stopwatches watches, CancellationToken ct)
    {
        await DropEngine();
        return await EngineFor(scene, watches, ct);
    }

    /// <summary>One result for each task, whatever happens.</summary>
    public async Task<NodeResult> Run(Running running)
    {
        var watches = new Stopwatches(shop.Clock);
        var task = running.Task;
        NodeResult Failed(string code, string reason) => new TaskFailed(task.LeaseId, task.Epoch, watches.Times, code, reason);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(running.Aborted, running.Overdue);
        _awaited = null;
        try
        {
            Clear(Scratch);
            Directory.CreateDirectory(Scratch);
            return task switch
            {
                RenderTask render => await Rendering.Run(render, this, running, watches, stop.Token),
                ValidateTask validate => await Validating.Run(validate, this, running, watches, stop.Token),
                AssembleTask assemble => await Assembling.Run(assemble, this, running, watches, stop.Token),
                _ => Failed("NODE_FAULT", $"This node does not know how to do a {task.GetType().Name}."),
            };
        }
        catch (Exception) when (running.Aborted.IsCancellationRequested)
        {
            await DropEngine();
            return Failed("ABORTED", running.AbortReason);
        }
        catch (Exception e) when (running.Overdue.IsCancellationRequested)
        {
            await DropEngine();
            var late = $"The task was not done within {task.DeadlineSeconds} s";
            // No engine is to blame for a host that was away, nor for the little time that left it.
            if (_awaited is { } file) return Failed("NODE_FAULT", $"{late}: {file}");
            if (watches.Fetch + watches.Store is var files && files > task.DeadlineSeconds / 2) return Failed("NODE_FAULT", $"{late}: {files:0} s went by until its files had come");
            return Failed(task is AssembleTask ? "NODE_FAULT" : "ENGINE_HUNG", $"{late}, at frame {running.Done} ({e.Message})");
        }
        catch (EngineFault e)
        {
            await DropEngine();
            return Failed(e.Code, e.Message);
        }
        catch (EncoderFault e)
        {
            // What stopped the drawing half way also stopped the engine.
            await DropEngine();
            return Failed("ENCODER_FAILED", e.Message);
        }
        catch (Exception e) when (e is IOException or BlobMissing or HttpRequestException or UnauthorizedAccessException or InvalidDataException or System.Text.Json.JsonException or System.ComponentModel.Win32Exception)
        {
            await DropEngine();
            return Failed("NODE_FAULT", e.Message);
        }
        finally
        {
            Clear(Scratch);
        }
    }

    async Task DropEngine()
    {
        if (_engine is { } engine) await engine.DisposeAsync();
        _engine = null;
        Clear(EngineFolder);
    }

    static void Clear(string folder)
    {
        if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
    }

    public async ValueTask DisposeAsync()
    {
        await DropEngine();
        Clear(Scratch);
    }
}
