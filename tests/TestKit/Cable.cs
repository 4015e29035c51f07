using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace FlatRender.TestKit;

/// <summary>A cable to a server (broker, database) that can be cut, pulled out, or made to swallow what the server answers.</summary>
public sealed class Cable : IAsyncDisposable
{
    readonly Uri _server;
    readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    readonly ConcurrentDictionary<Socket, int> _sockets = [];
    readonly CancellationTokenSource _end = new();
    readonly Task _accepting;
    volatile TaskCompletionSource _answers = Done();
    volatile bool _out;

    /// <param name="server">Its address: amqp://..., tcp://...</param>
    public Cable(string server)
    {
        _server = new Uri(server);
        _listener.Start();
        _accepting = AcceptAsync();
    }

    /// <summary>Its near end.</summary>
    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>The server's address by way of this cable.</summary>
    public string Address => new UriBuilder(_server) { Host = "127.0.0.1", Port = Port }.Uri.ToString();

    /// <summary>Whether the server's client at this port is the far end of it.</summary>
    public bool Carries(int port) => _sockets.Values.Contains(port);

    /// <summary>Whoever is connected is so no longer; whoever tries again, is.</summary>
    public void Cut()
    {
        foreach (var socket in _sockets.Keys) Drop(socket);
    }

    /// <summary>Nobody is connected, and nobody will be.</summary>
    public void PullOut()
    {
        _out = true;
        Cut();
    }

    public void PlugIn() => _out = false;

    /// <summary>What is said to the server arrives; what it answers does not.</summary>
    public void HoldAnswers() => _answers = new(TaskCreationOptions.RunContinuationsAsynchronously);

    async Task AcceptAsync()
    {
        try
        {
            while (true) _ = CarryAsync(await _listener.AcceptSocketAsync(_end.Token));
        }
        catch (Exception) when (_end.IsCancellationRequested)
        {
            // The cable is gone.
        }
    }

    async Task CarryAsync(Socket client)
    {
        var server = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        (_sockets[client], _sockets[server]) = (0, 0);
        try
        {
            if (_out) return;
            client.NoDelay = true;
            await server.ConnectAsync(_server.Host, _server.Port is > 0 and var port ? port : 5672, _end.Token);
            _sockets.TryUpdate(server, ((IPEndPoint)server.LocalEndPoint!).Port, 0);
            await Task.WhenAny(PumpAsync(client, server, answers: false), PumpAsync(server, client, answers: true));
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // Cut, or the server is away: the client sees its connection closed.
        }
        finally
        {
            Drop(client);
            Drop(server);
        }
    }

    async Task PumpAsync(Socket from, Socket to, bool answers)
    {
        var bytes = new byte[1 << 16];
        while (await from.ReceiveAsync(bytes, _end.Token) is > 0 and var count)
        {
            if (answers) await _answers.Task.WaitAsync(_end.Token);
            for (var sent = 0; sent < count;) sent += await to.SendAsync(bytes.AsMemory(sent, count - sent), _end.Token);
        }
    }

    void Drop(Socket socket)
    {
        if (_sockets.TryRemove(socket, out _)) socket.Dispose();
    }

    static TaskCompletionSource Done()
    {
        var done = new TaskCompletionSource();
        done.SetResult();
        return done;
    }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        _listener.Stop();
        Cut();
        await _accepting;
        _end.Dispose();
    }
}
