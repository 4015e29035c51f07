using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace FlatRender.EventStore.Tests;

/// <summary>A cable to the broker that can be cut, or made to swallow what the broker answers.</summary>
sealed class Cable : IAsyncDisposable
{
    readonly Uri _broker;
    readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    readonly ConcurrentDictionary<Socket, byte> _sockets = [];
    readonly CancellationTokenSource _end = new();
    readonly Task _accepting;
    volatile TaskCompletionSource _answers = Done();

    public Cable(string broker)
    {
        _broker = new Uri(broker);
        _listener.Start();
        _accepting = AcceptAsync();
    }

    /// <summary>The broker's address by way of this cable.</summary>
    public string Address => new UriBuilder(_broker) { Host = "127.0.0.1", Port = ((IPEndPoint)_listener.LocalEndpoint).Port }.Uri.ToString();

    /// <summary>Whoever is connected is so no longer; whoever tries again, is.</summary>
    public void Cut()
    {
        foreach (var socket in _sockets.Keys) Drop(socket);
    }

    /// <summary>What is said to the broker arrives; what it answers does not.</summary>
    public void HoldAnswers() => _answers = new(TaskCreationOptions.RunContinuationsAsynchronously);

    async Task AcceptAsync()
    {
        try
        {
            while (true) _ = CarryAsync(await _listener.AcceptSocketAsync(_end.Token));
        }
        catch (OperationCanceledException)
        {
            // The cable is gone.
        }
    }

    async Task CarryAsync(Socket client)
    {
        var broker = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        (_sockets[client], _sockets[broker]) = (0, 0);
        try
        {
            await broker.ConnectAsync(_broker.Host, _broker.Port is > 0 and var port ? port : 5672, _end.Token);
            await Task.WhenAny(PumpAsync(client, broker, answers: false), PumpAsync(broker, client, answers: true));
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // Cut, or the broker is away: the client sees its connection closed.
        }
        finally
        {
            Drop(client);
            Drop(broker);
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
