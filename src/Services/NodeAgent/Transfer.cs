using System.Net;

namespace FlatRender.NodeAgent;

/// <summary>A file on its way: it may take as long as it likes while bytes flow, but not be silent. A host that has gone without a word would keep the task until its deadline.</summary>
sealed class Transfer : IDisposable
{
    static readonly TimeSpan Silence = TimeSpan.FromSeconds(30);

    /// <summary>All bytes are with the host, which hashes them and waits for its disk: for a long film, minutes.</summary>
    static readonly TimeSpan Storing = TimeSpan.FromMinutes(5);
    readonly CancellationTokenSource _silence, _either;

    Transfer(TimeProvider clock, CancellationToken ct)
    {
        _silence = new(Silence, clock);
        _either = CancellationTokenSource.CreateLinkedTokenSource(ct, _silence.Token);
    }

    /// <summary>Of the caller and of the silence.</summary>
    public CancellationToken Token => _either.Token;

    /// <exception cref="HttpRequestException">The host could not be reached, refused, broke off or fell silent.</exception>
    public static async Task<T> Run<T>(TimeProvider clock, Func<Transfer, Task<T>> work, CancellationToken ct)
    {
        using var transfer = new Transfer(clock, ct);
        try
        {
            return await work(transfer);
        }
        catch (OperationCanceledException e) when (!ct.IsCancellationRequested)
        {
            throw new HttpRequestException(transfer._silence.IsCancellationRequested ? "The host fell silent." : e.InnerException?.Message ?? e.Message, e);
        }
    }

    /// <summary>0 at the end. A line that breaks is no fault of the disk, which an <see cref="IOException"/> would be.</summary>
    public async Task<int> Read(Stream from, Memory<byte> into)
    {
        try
        {
            var read = await from.ReadAsync(into, Token);
            _silence.CancelAfter(Silence);
            return read;
        }
        catch (IOException e)
        {
            throw new HttpRequestException($"The host broke off: {e.Message}", e);
        }
    }

    public HttpContent Of(FileStream file) => new Body(file, this);

    public void Dispose()
    {
        _either.Dispose();
        _silence.Dispose();
    }

    sealed class Body(FileStream file, Transfer transfer) : HttpContent
    {
        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, transfer.Token);

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
        {
            // A connection that was dead before it was used makes the client begin once more.
            file.Position = 0;
            var buffer = new byte[128 * 1024];
            int read;
            while ((read = await file.ReadAsync(buffer, cancellationToken)) > 0)
            {
                await stream.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
                transfer._silence.CancelAfter(Silence);
            }
            transfer._silence.CancelAfter(Storing);
        }

        protected override bool TryComputeLength(out long length)
        {
            length = file.Length;
            return true;
        }
    }
}
