using System.Buffers.Binary;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using FlatRender.Contracts;

namespace FlatRender.NodeAgent.Children;

/// <summary>What an engine has loaded: while the next task needs the same, it stays warm.</summary>
sealed record Scene(string Engine, string TemplateDigest, int Width, int Height, string Background, Rect Fit);

/// <summary>An engine child: JSON lines in, framed messages out (a 4-byte little-endian length, a JSON header, then the bytes the header tells).</summary>
sealed class Engine(string name, Child child, TimeSpan patience, TimeProvider clock) : IAsyncDisposable
{
    const int LongestHeader = 1 << 20;
    static readonly JsonSerializerOptions Json = new(Wire.Json) { DefaultIgnoreCondition = JsonIgnoreCondition.Never };
    readonly byte[] _four = new byte[4];
    int _id;

    public string Name => name;
    public string Version { get; private set; } = "";
    public string Digest { get; private set; } = "";
    public Scene? Scene { get; private set; }
    public double Cpu => child.Cpu;
    public int Pid => child.Pid;
    public bool HasEnded => child.HasEnded;

    /// <exception cref="EngineFault">It did not come up.</exception>
    public static async Task<Engine> Start(string name, string script, string folder, EngineLimits limits, Confinement confinement, TimeProvider clock, CancellationToken ct)
    {
        var child = await Child.Start(new($"The {name} engine", ["node", script], folder, limits.MemoryMb), confinement, clock);
        var engine = new Engine(name, child, limits.Patience, clock);
        try
        {
            using var stop = engine.KilledBy(ct);
            var hello = await engine.Ask(new { id = ++engine._id, op = "hello" }, ct);
            (engine.Version, engine.Digest) = (hello.Version ?? "", hello.Digest ?? throw new EngineFault("ENGINE_CRASHED", $"The {name} engine told no digest."));
            return engine;
        }
        catch
        {
            await engine.DisposeAsync();
            throw;
        }
    }

    public CancellationTokenRegistration KilledBy(CancellationToken ct) => ct.Register(() => child.Kill("the task was stopped or ran out of time"));

    public async Task Load(Scene scene, string template, CancellationToken ct)
    {
        Scene = null;
        var answer = await Ask(new { id = ++_id, op = "load", template, width = scene.Width, height = scene.Height, background = scene.Background, fit = scene.Fit }, ct);
        if (answer.Error is { } error) throw new EngineFault(error.Code == "TEMPLATE_INVALID" ? error.Code : "ENGINE_CRASHED", error.Message);
        Scene = scene;
    }

    /// <summary>Draws frames in order. <paramref name="room"/> gives the buffer for each, <paramref name="take"/> gets it filled.</summary>
    public async Task Draw(IReadOnlyList<(int Index, double At)> frames, int frameBytes, Func<CancellationToken, ValueTask<byte[]>> room, Func<int, byte[], ValueTask> take, CancellationToken ct)
    {
        var id = ++_id;
        await Send(new { id, op = "render", frames = frames.Select(f => new { index = f.Index, at = f.At }) }, ct);
        foreach (var (index, _) in frames)
        {
            var header = await Header(ct);
            if (header.Error is { } error) throw new EngineFault("ENGINE_CRASHED", $"The {name} engine stopped before frame {index}: {error.Message}");
            if (header.Id != id || header.Index != index) throw new EngineFault("ENGINE_CRASHED", $"The {name} engine gave frame {header.Index} where {index} was due.");
            if (header.Bytes != frameBytes) throw new EngineFault("ENGINE_CRASHED", string.Create(CultureInfo.InvariantCulture, $"The {name} engine gave {header.Bytes} bytes for frame {index}; a frame has {frameBytes}."));
            var pixels = await room(ct);
            await Fill(pixels.AsMemory(0, frameBytes), ct);
            await take(index, pixels);
        }
        var end = await Header(ct);
        if (end.Done != true) throw new EngineFault("ENGINE_CRASHED", $"The {name} engine said more than was asked.");
    }

    async Task<Answer> Ask(object request, CancellationToken ct)
    {
        await Send(request, ct);
        return await Header(ct);
    }

    async Task Send(object request, CancellationToken ct)
    {
        try
        {
            await child.Input.WriteAsync((byte[])[.. JsonSerializer.SerializeToUtf8Bytes(request, Json), (byte)'\n'], ct);
            await child.Input.FlushAsync(ct);
        }
        catch (IOException)
        {
            throw await Died(ct);
        }
    }

    /// <summary>The next thing it says. One that says nothing for so long hangs: there is no need to wait for the whole task's deadline.</summary>
    async Task<Answer> Header(CancellationToken ct)
    {
        using var patient = new CancellationTokenSource(patience, clock);
        using var kill = patient.Token.Register(() => child.Kill($"it said nothing for {patience.TotalSeconds:0.#} s"));
        try
        {
            return await Message(ct);
        }
        catch (EngineFault e) when (patient.IsCancellationRequested)
        {
            throw new EngineFault("ENGINE_HUNG", e.Message);
        }
    }

    async Task<Answer> Message(CancellationToken ct)
    {
        await Fill(_four, ct);
        var length = BinaryPrimitives.ReadInt32LittleEndian(_four);
        if (length is <= 0 or > LongestHeader) throw new EngineFault("ENGINE_CRASHED", $"The {name} engine broke its protocol: a header of {length} bytes.");
        var json = new byte[length];
        await Fill(json, ct);
        try
        {
            return JsonSerializer.Deserialize<Answer>(json, Json) ?? throw new JsonException("The header is null.");
        }
        catch (JsonException e)
        {
            throw new EngineFault("ENGINE_CRASHED", $"The {name} engine broke its protocol: {e.Message}");
        }
    }

    async Task Fill(Memory<byte> bytes, CancellationToken ct)
    {
        try
        {
            await child.Output.ReadExactlyAsync(bytes, ct);
        }
        catch (Exception e) when (e is EndOfStreamException or IOException)
        {
            throw await Died(ct);
        }
    }

    async Task<Exception> Died(CancellationToken ct)
    {
        // Its pipe is closed; what does not end by itself now is broken all the same.
        await Task.WhenAny(child.Ended, Task.Delay(TimeSpan.FromSeconds(1), TimeProvider.System, ct));
        child.Kill("it closed its output");
        await child.Wait(CancellationToken.None);
        ct.ThrowIfCancellationRequested();
        return new EngineFault("ENGINE_CRASHED", child.Obituary());
    }

    public ValueTask DisposeAsync() => child.DisposeAsync();

    sealed record Answer(int? Id, int? Index, int? Bytes, bool? Done, string? Version, string? Digest, Complaint? Error);

    sealed record Complaint(string Code, string Message);
}

/// <summary>What an engine may use.</summary>
/// <param name="MemoryMb">Held by it and all its descendants together.</param>
/// <param name="Patience">For an answer, or for the next frame.</param>
sealed record EngineLimits(int MemoryMb, TimeSpan Patience);

/// <summary>An engine crashed, broke its protocol or refused the template; the code is the task's.</summary>
sealed class EngineFault(string code, string reason) : Exception(reason)
{
    public string Code => code;
}
