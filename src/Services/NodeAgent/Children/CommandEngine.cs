using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using FlatRender.Contracts;
using FlatRender.NodeAgent.Pixels;

namespace FlatRender.NodeAgent.Children;

/// <summary>A command line that renders frames {start} to {end} of {template} and leaves them as PNG files under {output}.</summary>
/// <param name="Frame">The name of a frame's file, with the composition's frame number as %d or %05d.</param>
/// <param name="Version">Part of what the engine is: change it when the program behind the command changes.</param>
/// <param name="Network">True where the program cannot work without a network (a licence server).</param>
sealed record CommandLinePlan(IReadOnlyList<string> Command, string Frame, string? Version = null, int First = 0, bool Network = false);

/// <summary>After Effects' aerender, Blender and the like. Such programs report success over frames that are missing, half written or placeholders: every file is read strictly, and a bad one is drawn once more before it is named.</summary>
sealed class CommandEngine : Engine
{
    readonly string _folder;
    readonly CommandLinePlan _plan;
    readonly EngineLimits _limits;
    readonly Confinement _confinement;
    readonly TimeProvider _clock;
    string _template = "";
    Child? _child;
    Buffers? _buffers;
    double _cpu;

    CommandEngine(string name, string folder, CommandLinePlan plan, string digest, EngineLimits limits, Confinement confinement, TimeProvider clock) : base(name)
    {
        (_folder, _plan, _limits, _confinement, _clock) = (folder, plan, limits, confinement, clock);
        (Version, Digest) = (plan.Version ?? "", digest);
    }

    public override double Cpu => _cpu + (_child?.Cpu ?? 0);
    public override bool HasEnded => false;

    /// <exception cref="EngineFault">The file describes no command.</exception>
    public static async Task<Engine> Open(string name, string path, string folder, EngineLimits limits, Confinement confinement, TimeProvider clock, CancellationToken ct)
    {
        var text = await File.ReadAllBytesAsync(path, ct);
        CommandLinePlan? plan;
        try
        {
            plan = JsonSerializer.Deserialize<CommandLinePlan>(text, Wire.Json);
        }
        catch (JsonException e)
        {
            throw new EngineFault("ENGINE_CRASHED", $"The engine {name} ({path}) is no command: {e.Message}");
        }
        if (plan is not { Command.Count: > 0, Frame: not null } || FileOf(plan.Frame, 1) == plan.Frame || !plan.Command.Any(w => w.Contains("{output}", StringComparison.Ordinal)))
            throw new EngineFault("ENGINE_CRASHED", $"The engine {name} ({path}) needs a command that has {{output}}, and a frame such as \"frame_%05d.png\".");
        return new CommandEngine(name, folder, plan, Convert.ToHexStringLower(SHA256.HashData(text)), limits, confinement, clock);
    }

    public override CancellationTokenRegistration KilledBy(CancellationToken ct) => ct.Register(() => _child?.Kill("the task was stopped or ran out of time"));

    public override Task Load(Scene scene, string template, CancellationToken ct)
    {
        if (scene.Fit != new Rect(0, 0, scene.Width, scene.Height)) throw new EngineFault("TEMPLATE_INVALID", $"The {Name} engine draws the composition in its own size: {scene.Fit.Width}x{scene.Fit.Height} does not fill {scene.Width}x{scene.Height}.");
        (Scene, _template) = (scene, template);
        return Task.CompletedTask;
    }

    public override async Task Draw(IReadOnlyList<(int Index, double At)> frames, int frameBytes, Func<int, IMemoryOwner<byte>, ValueTask> take, CancellationToken ct)
    {
        if (frames.FirstOrDefault(f => f.At != Math.Floor(f.At)) is { At: > 0 } between)
            throw new EngineFault("TEMPLATE_INVALID", string.Create(CultureInfo.InvariantCulture, $"The {Name} engine draws whole frames of the composition; film frame {between.Index} stands at {between.At}. Render at the composition's own rate."));
        var scene = Scene ?? throw new EngineFault("ENGINE_CRASHED", $"The {Name} engine has loaded nothing.");
        var output = Path.Combine(_folder, "frames");
        if (Directory.Exists(output)) Directory.Delete(output, recursive: true);
        Directory.CreateDirectory(output);
        await Run([.. frames.Select(f => (int)f.At + _plan.First)], output, ct);
        // Looked at before the first is handed on: what is bad is drawn once more, and it alone.
        var bad = frames.Where(f => Problem(f.At, output, scene) is not null).Select(f => (int)f.At + _plan.First).ToArray();
        if (bad.Length > 0)
        {
            foreach (var number in bad) File.Delete(Path.Combine(output, FileOf(_plan.Frame, number)));
            await Run(bad, output, ct);
        }
        var problems = frames.Select(f => (f.Index, Problem: Problem(f.At, output, scene))).Where(f => f.Problem is not null).Select(f => $"frame {f.Index} {f.Problem}").ToArray();
        if (problems.Length > 0) throw new EngineFault("ENGINE_CRASHED", $"The {Name} engine left bad frames: {string.Join("; ", problems.Take(10))}.");
        _buffers ??= new(frameBytes);
        foreach (var (index, at) in frames)
        {
            var pixels = await _buffers.Rent(ct);
            Read(at, output, scene).CopyTo(pixels.Memory);
            await take(index, pixels);
        }
        Directory.Delete(output, recursive: true);
    }

    /// <summary>Runs the command once for each run of neighbouring frames.</summary>
    async Task Run(IReadOnlyList<int> numbers, string output, CancellationToken ct)
    {
        for (int from = 0, to; from < numbers.Count; from = to)
        {
            for (to = from + 1; to < numbers.Count && numbers[to] == numbers[to - 1] + 1;) to++;
            var (start, end) = (numbers[from], numbers[to - 1]);
            var words = _plan.Command.Select(w => w.Replace("{start}", Number(start), StringComparison.Ordinal).Replace("{end}", Number(end), StringComparison.Ordinal)
                .Replace("{output}", output, StringComparison.Ordinal).Replace("{template}", _template, StringComparison.Ordinal));
            // Such programs tell their troubles on standard output; all of it is kept as complaints.
            _child = await Child.Start(new($"The {Name} engine", ["sh", "-c", "exec \"$@\" >&2 </dev/null", "sh", .. words], _folder, _limits.MemoryMb, _plan.Network, Untrusted: true), _confinement, _clock);
            await using var child = _child;
            child.Allow(_limits.CpuSeconds * (to - from + 1));
            using var patience = new CancellationTokenSource(_limits.Patience * (to - from + 1), _clock);
            using var tired = patience.Token.Register(() => child.Kill($"it took longer than {_limits.Patience.TotalSeconds:0.#} s a frame"));
            var code = await child.Wait(ct);
            _cpu += child.Cpu;
            _child = null;
            if (patience.IsCancellationRequested) throw new EngineFault("ENGINE_HUNG", child.Obituary());
            if (code != 0) throw new EngineFault("ENGINE_CRASHED", child.Obituary());
        }
    }

    string? Problem(double at, string output, Scene scene)
    {
        try
        {
            Read(at, output, scene);
            return null;
        }
        catch (BadPicture e)
        {
            return e.Message;
        }
    }

    byte[] Read(double at, string output, Scene scene)
    {
        var path = Path.Combine(output, FileOf(_plan.Frame, (int)at + _plan.First));
        return File.Exists(path) ? Png.Read(File.ReadAllBytes(path), scene.Width, scene.Height, scene.Background) : throw new BadPicture("is missing");
    }

    /// <summary>"frame_%05d.png" and 7: "frame_00007.png".</summary>
    static string FileOf(string pattern, int number)
    {
        var percent = pattern.IndexOf('%');
        var d = percent < 0 ? -1 : pattern.IndexOf('d', percent);
        if (d < 0) return pattern;
        var digits = pattern[(percent + 1)..d].TrimStart('0');
        return string.Concat(pattern.AsSpan(0, percent), Number(number).PadLeft(int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var width) ? width : 0, '0'), pattern.AsSpan(d + 1));
    }

    static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);

    public override async ValueTask DisposeAsync()
    {
        if (_child is { } child) await child.DisposeAsync();
        _child = null;
        _buffers?.Dispose();
    }
}
