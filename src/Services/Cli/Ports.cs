using System.Net;
using System.Net.Sockets;

namespace FlatRender.Cli;

/// <summary>Ports of this machine that nobody listens on at this moment.</summary>
public static class Ports
{
    public static int Free()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }

    public static bool IsFree(int port)
    {
        try
        {
            using var probe = new TcpListener(IPAddress.Loopback, port);
            probe.Start();
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    /// <summary>The n-th port from a place of this process that nobody listens on, below 32768: those above are handed out to clients by the kernel, so that one noted there may be taken at any moment.</summary>
    public static int Low(int n)
    {
        for (var port = 10_000 + Environment.ProcessId * 7 % 10_000 + n * 700; ; port++)
            if (IsFree(port))
                return port;
    }
}
