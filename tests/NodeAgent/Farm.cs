using System.Net;
using FlatRender.Contracts;
using Shouldly;

namespace FlatRender.NodeAgent.Tests;

/// <summary>A stand-in orchestrator and a real agent in this process, with the engine that goes wrong on demand.</summary>
public sealed class Farm : IAsyncDisposable
{
    static readonly string Faulty = Path.Combine(AppContext.BaseDirectory, "engines", "faulty.mjs");
    readonly string _folder = Directory.CreateTempSubdirectory("flatrender-node-").FullName;

    Farm(Orchestrator host, Settings settings) => (Host, Settings) = (host, settings);

    public Orchestrator Host { get; }
    public Settings Settings { get; }
    public Agent Agent { get; private set; } = null!;
    public string Node => Agent.Address;
    public string Folder => _folder;

    public static async Task<Farm> Start(int slots = 2, int memoryMb = 1024, int frameSeconds = 60, int frameCpuSeconds = 120, int minFreeMb = 0, (string Name, string Script)? engine = null, TimeProvider? clock = null)
    {
        var host = await Orchestrator.Start();
        var engines = new Dictionary<string, string> { ["faulty"] = Faulty };
        if (engine is { } more) engines[more.Name] = more.Script;
        var folder = Directory.CreateTempSubdirectory("flatrender-home-").FullName;
        var farm = new Farm(host, new Settings([host.Url], "http://127.0.0.1:0", null, "test", slots, ["tests"], folder, engines, null, memoryMb, 64, Orchestrator.Token, Orchestrator.Secret, frameSeconds, frameCpuSeconds, minFreeMb));
        farm.Agent = await Agent.Start(farm.Settings, clock ?? TimeProvider.System, CancellationToken.None);
        await host.Registered();
        return farm;
    }

    public static FilmSpec Film(int width, int height, int frames, int num = 30, int den = 1) => new(width, height, frames, num, den, "#ffffff", new(0, 0, width, height), "1/1");

    public string Template(object plan) => Host.Store(plan);

    public static LeaseId Lease() => new(Guid.NewGuid());

    public async Task<T> Do<T>(NodeTask task) where T : NodeResult
    {
        (await Host.Assign(Node, task)).ShouldBe(HttpStatusCode.Accepted);
        var result = await Host.Result(task.LeaseId);
        if (result is TaskFailed failed && typeof(T) != typeof(TaskFailed)) throw new ShouldAssertException($"The task failed: {failed.Code} {failed.Reason}");
        return result.ShouldBeOfType<T>();
    }

    public RenderTask Rendering(FilmSpec film, string template, int first, int count, JobId? job = null, string engine = "faulty", double deadline = 60) =>
        new(Lease(), 1, job ?? Job, film, template, deadline, engine, first, count);

    public JobId Job { get; } = new(Guid.NewGuid());

    public async Task<SegmentFiles> Segment(FilmSpec film, string template, int first, int count) => (await Do<TaskRendered>(Rendering(film, template, first, count))).Segment;

    public Task<TaskValidated> Validate(FilmSpec film, string template, SegmentFiles segment, params int[] samples) =>
        Do<TaskValidated>(new ValidateTask(Lease(), 1, Job, film, template, 60, "faulty", segment, samples));

    public Task<TaskAssembled> Assemble(FilmSpec film, string template, IReadOnlyList<SegmentFiles> segments, int thumbnail = 0) =>
        Do<TaskAssembled>(new AssembleTask(Lease(), 1, Job, film, template, 60, segments, thumbnail));

    /// <summary>A blob as a file, for the tools.</summary>
    public string File(string digest)
    {
        var path = Path.Combine(_folder, digest);
        System.IO.File.WriteAllBytes(path, Host.Blobs[digest]);
        return path;
    }

    public async ValueTask DisposeAsync()
    {
        await Agent.DisposeAsync();
        await Host.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
        Directory.Delete(Settings.Home, recursive: true);
    }
}

/// <summary>One farm for all tests of a class that leave it as they found it.</summary>
public sealed class SharedFarm : Xunit.IAsyncLifetime
{
    public Farm Farm { get; private set; } = null!;

    public async Task InitializeAsync() => Farm = await Farm.Start(slots: 2);

    public Task DisposeAsync() => Farm.DisposeAsync().AsTask();
}
