using System.Net.Sockets;
using RabbitMQ.Client;

namespace FlatRender.EventStore;

/// <summary>
/// The socket under a connection to RabbitMQ. The client (7.1) sends through one loop that ends for good at the first failed write, without a word to those who wait to write: they keep what
/// its shutdown then waits for, and the connection is neither alive nor ever known to be dead. So writes here do not fail: what cannot be sent is dropped, and the reading side,
/// which the client watches, finds the end.
/// </summary>
public sealed class BrokerSocket : TcpClientAdapter
{
    readonly Socket _socket;

    BrokerSocket(Socket socket) : base(socket) => _socket = socket;

    /// <summary>Connections made by this factory survive being cut in the middle of a publish: they end, and say so.</summary>
    public static void UseIn(ConnectionFactory factory) => factory.SocketFactory = family => new BrokerSocket(new Socket(family, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true });

    public override NetworkStream GetStream() => new EndedByReading(_socket);

    sealed class EndedByReading(Socket socket) : NetworkStream(socket)
    {
        volatile bool _ended;

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (_ended) return;
            try
            {
                await base.WriteAsync(buffer, cancellationToken);
            }
            catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException)
            {
                End();
            }
        }

        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        void End()
        {
            _ended = true;
            try
            {
                Socket.Shutdown(SocketShutdown.Both);
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // Closed already: the reader has found the end.
            }
        }
    }
}
