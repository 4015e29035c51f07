using System.Buffers;
using FlatRender.Contracts;

namespace FlatRender.NodeAgent.Children;

/// <summary>What an engine has loaded: while the next task needs the same, it stays warm.</summary>
sealed record Scene(string Engine, string TemplateDigest, int Width, int Height, string Background, Rect Fit);

/// <summary>What draws frames: a child that speaks the engine protocol, or a command line that leaves an image sequence.</summary>
abstract class Engine(string name) : IAsyncDisposable
{
    public string Name => name;
    public string Version { get; protected set; } = "";
    /// <summary>Equal digests on equal hardware draw equal pixels.</summary>
    public string Digest { get; protected set; } = "";
    public Scene? Scene { get; protected set; }
    /// <summary>Seconds of processor time so far, of all its children.</summary>
    public abstract double Cpu { get; }
    public abstract bool HasEnded { get; }

    /// <param name="path">A script that speaks the protocol, or the .json of a command line.</param>
    /// <exception cref="EngineFault">It did not come up.</exception>
    public static Task<Engine> Start(string name, string path, string folder, EngineLimits limits, Confinement confinement, TimeProvider clock, CancellationToken ct) =>
        path.EndsWith(".json", StringComparison.OrdinalIgnoreCase)
            ? CommandEngine.Open(name, path, folder, limits, confinement, clock, ct)
            : ProtocolEngine.Start(name, path, folder, limits, confinement, clock, ct);

    public abstract CancellationTokenRegistration KilledBy(CancellationToken ct);

    public abstract Task Load(Scene scene, string template, CancellationToken ct);

    /// <summary>Draws frames in order. <paramref name="take"/> gets each, RGBA, opaque, and disposes of it once it was looked at; all of them before the next request and before the engine is disposed of.</summary>
    public abstract Task Draw(IReadOnlyList<(int Index, double At)> frames, int frameBytes, Func<int, IMemoryOwner<byte>, ValueTask> take, CancellationToken ct);

    public abstract ValueTask DisposeAsync();
}

/// <summary>What an engine may use.</summary>
/// <param name="MemoryMb">Held by it and all its descendants together.</param>
/// <param name="Patience">For an answer, or for the next frame.</param>
/// <param name="CpuSeconds">Of processors, for each frame it is asked for.</param>
sealed record EngineLimits(int MemoryMb, TimeSpan Patience, double CpuSeconds);

/// <summary>An engine crashed, broke its protocol or refused the template; the code is the task's.</summary>
sealed class EngineFault(string code, string reason) : Exception(reason)
{
    public string Code => code;
}
