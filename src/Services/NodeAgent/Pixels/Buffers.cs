using System.Buffers;
using System.Threading.Channels;

namespace FlatRender.NodeAgent.Pixels;

/// <summary>A few frame buffers that go round: who finds none free waits, and so nobody runs ahead.</summary>
sealed class Buffers : IDisposable
{
    const int Bytes = 64 << 20;
    readonly Channel<IMemoryOwner<byte>> _free = Channel.CreateUnbounded<IMemoryOwner<byte>>();
    readonly byte[][] _all;

    /// <summary>Large frames get two buffers, small ones three: one is filled, one is looked at, one is between them.</summary>
    /// <param name="size">Bytes of one frame.</param>
    public static int CountFor(int size) => size > Bytes / 3 ? 2 : 3;

    /// <param name="size">Bytes of one frame.</param>
    public Buffers(int size)
    {
        _all = [.. Enumerable.Range(0, CountFor(size)).Select(_ => ArrayPool<byte>.Shared.Rent(size))];
        foreach (var buffer in _all) _free.Writer.TryWrite(new Lent(this, buffer.AsMemory(0, size)));
    }

    /// <summary>Disposing of it gives it back.</summary>
    public ValueTask<IMemoryOwner<byte>> Rent(CancellationToken ct) => _free.Reader.ReadAsync(ct);

    public void Dispose()
    {
        foreach (var buffer in _all) ArrayPool<byte>.Shared.Return(buffer);
    }

    sealed record Lent(Buffers Home, Memory<byte> Memory) : IMemoryOwner<byte>
    {
        public void Dispose() => Home._free.Writer.TryWrite(this);
    }
}
