using System.Net.Sockets;
using MassTransit;
using Npgsql;

namespace FlatRender.Foundation;

/// <summary>Failures that say nothing of what was asked, only that the database or the broker is not there for the moment.</summary>
public static class Away
{
    public static bool Is(Exception? failure) => failure switch
    {
        null => false,
        // Shutting down, starting, too many connections, connection lost, disk full.
        PostgresException e => e.SqlState[..2] is "57" or "53" or "08" or "58" && e.SqlState != PostgresErrorCodes.QueryCanceled,
        NpgsqlException or SocketException or ConnectionException or RequestTimeoutException or TimeoutException or EndOfStreamException => true,
        AggregateException all => all.InnerExceptions.Any(Is),
        _ => Is(failure.InnerException),
    };
}
