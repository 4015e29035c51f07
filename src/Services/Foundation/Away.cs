using System.Net.Sockets;
using MassTransit;
using Npgsql;

namespace FlatRender.Foundation;

/// <summary>Failures that say nothing of what was asked, only that the database or the broker is not there for the moment.</summary>
public static class Away
{
    /// <summary>Whether a message should wait for the database here, in its consumer. For the broker it must not: it comes again by itself, and a consumer that waits keeps the connection from ending.</summary>
    public static bool IsDatabase(Exception failure) => failure is NpgsqlException ? Is(failure) : failure.InnerException is { } inner && IsDatabase(inner);

    public static bool Is(Exception? failure) => failure switch
    {
        null => false,
        // Shutting down, starting, too many connections, connection lost, disk full; and rolled back for another's sake (a deadlock).
        PostgresException e => e.SqlState[..2] is "57" or "53" or "08" or "58" or "40" && e.SqlState != PostgresErrorCodes.QueryCanceled,
        NpgsqlException or SocketException or ConnectionException or RequestTimeoutException or TimeoutException or EndOfStreamException => true,
        AggregateException all => all.InnerExceptions.Any(Is),
        _ => Is(failure.InnerException),
    };
}
