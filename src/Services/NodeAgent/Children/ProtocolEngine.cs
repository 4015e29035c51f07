using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using FlatRender.Contracts;
using FlatRender.NodeAgent.Pixels;

namespace FlatRender.NodeAgent.Children;

/// <summary>An engine child: JSON lines in, framed messages out (a 4-byte little-endian length, a JSON header, then the bytes the header tells).</summary>
sealed class ProtocolEngine(string name, Child child, FrameRoom? room, EngineLimits limits, TimeProvider clock) : Engine(name)
{
    const int LongestHeader = 1 << 20;

    /// <summary>To come up, or to load a template, on a machine that is busy with other things.</summary>
    static readonly TimeSpan StartPatience = TimeSpan.FromSeconds(60);
    static readonly JsonSerializerOptions Json = new(Wire.Json) { DefaultIgnoreCondition = JsonIgnoreCondition.Never };
    readonly byte[] _four = new byte[4];
    readonly Lock _saying = new();
    Buffers? _piped;
    int _id;

    public override double Cpu => child.Cpu;
    public override bool HasEnded => child.HasEnded;

    /// <exception cref="EngineFault">It did not come up.</exception>
    public static new async Task<Engine> Start(string name, string script, string folder, EngineLimits limits, Confinement confinement, TimeProvider clock, CancellationToken ct)
    {
        var room = FrameRoom.Open();
        var child = await Child.Start(new($"The {name} engine", ["node", script], folder, limits.MemoryMb, Untrusted: true, Room: room), confinement, clock);
        var engine = new ProtocolEngine(name, child, room, limits, clock);
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

    public override CancellationTokenRegistration KilledBy(CancellationToken ct) => ct.Register(() => child.Kill("the task was stopped or ran out of time"));

    public override async Task Load(Scene scene, string template, CancellationToken ct)
    {
        Scene = null;
        child.Allow(limits.CpuSeconds);
        var answer = await Ask(new { id = ++_id, op = "load", template, width = scene.Width, height = scene.Height, background = scene.Background, fit = scene.Fit }, ct);
        if (answer.Error is { } error) throw new EngineFault(error.Code == "TEMPLATE_INVALID" ? error.Code : "ENGINE_CRASHED", error.Message);
        Scene = scene;
    }

    public override async Task Draw(IReadOnlyList<(int Index, double At)> frames, int frameBytes, Func<int, IMemoryOwner<byte>, ValueTask> take, CancellationToken ct)
    {
        var id = ++_id;
        child.Allow(limits.CpuSeconds * frames.Count);
        var shared = room?.SizeFor(frameBytes) == true ? room : null;
        await Send(new { id, op = "render", frames = frames.Select(f => new { index = f.Index, at = f.At }), room = shared is null ? null : new { fd = shared.Number, slots = shared.Slots, bytes = frameBytes, input = child.InputNumber } }, ct);
        var free = new SemaphoreSlim(shared?.Slots ?? 1);
        foreach (var (index, _) in frames)
        {
            // A child that waits for us to take a frame does not hang, however long the encoder needs.
            await free.WaitAsync(ct);
            var header = await Header(limits.Patience, ct);
            if (header.Error is { } error) throw new EngineFault("ENGINE_CRASHED", $"The {Name} engine stopped before frame {index}: {error.Message}");
            if (header.Id != id || header.Index != index) throw new EngineFault("ENGINE_CRASHED", $"The {Name} engine gave frame {header.Index} where {index} was due.");
            if (header.Bytes != frameBytes) throw new EngineFault("ENGINE_CRASHED", string.Create(CultureInfo.InvariantCulture, $"The {Name} engine gave {header.Bytes} bytes for frame {index}; a frame has {frameBytes}."));
            IMemoryOwner<byte> frame;
            if (header.Slot is { } slot)
            {
                if (shared is null || slot < 0 || slot >= shared.Slots) throw new EngineFault("ENGINE_CRASHED", $"The {Name} engine broke its protocol: there is no slot {slot}.");
                frame = shared.Frame(slot, () =>
                {
                    Taken(id, slot);
                    free.Release();
                });
            }
            else
            {
                frame = await Piped(frameBytes, ct);
                free.Release();
            }
            try
            {
                await take(index, frame);
            }
            catch
            {
                frame.Dispose();
                throw;
            }
        }
        var end = await Header(limits.Patience, ct);
        if (end.Done != true) throw new EngineFault("ENGINE_CRASHED", $"The {Name} engine said more than was asked.");
    }

    async Task<IMemoryOwner<byte>> Piped(int frameBytes, CancellationToken ct)
    {
        _piped ??= new(frameBytes);
        var pixels = await _piped.Rent(ct);
        await Fill(pixels.Memory, ct);
        return pixels;
    }

    /// <summary>By whoever looked at the frame, one at a time: nothing else is said to a child that draws.</summary>
    void Taken(int id, int slot)
    {
        try
        {
            lock (_saying) child.Input.Write(Line(new { id, op = "taken", slot }));
        }
        catch (IOException)
        {
            // It has ended; whoever waits for its next frame tells.
        }
    }

    async Task<Answer> Ask(object request, CancellationToken ct)
    {
        await Send(request, ct);
        return await Header(StartPatience, ct);
    }

    async Task Send(object request, CancellationToken ct)
    {
        try
        {
            await child.Input.WriteAsync(Line(request), ct);
            await child.Input.FlushAsync(ct);
        }
        catch (IOException)
        {
            throw await Died(ct);
        }
    }

    static byte[] Line(object request) => [.. JsonSerializer.SerializeToUtf8Bytes(request, Json), (byte)'\n'];

    /// <summary>The next thing it says. One that says nothing for so long hangs: there is no need to wait for the whole task's deadline.</summary>
    async Task<Answer> Header(TimeSpan patience, CancellationToken ct)
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
        if (length is <= 0 or > LongestHeader) throw new EngineFault("ENGINE_CRASHED", $"The {Name} engine broke its protocol: a header of {length} bytes.");
        var json = new byte[length];
        await Fill(json, ct);
        try
        {
            return JsonSerializer.Deserialize<Answer>(json, Json) ?? throw new JsonException("The header is null.");
        }
        catch (JsonException e)
        {
            throw new EngineFault("ENGINE_CRASHED", $"The {Name} engine broke its protocol: {e.Message}");
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

    public override async ValueTask DisposeAsync()
    {
        await child.DisposeAsync();
        room?.Dispose();
        _piped?.Dispose();
    }

    sealed record Answer(int? Id, int? Index, int? Bytes, int? Slot, bool? Done, string? Version, string? Digest, Complaint? Error);

    sealed record Complaint(string Code, string Message);
}
