using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Npgsql;

namespace FlatRender.EventStore;

/// <summary>
/// One process leads, by an advisory lock on a connection of its own; the lock goes with the connection. The leader does its work on that connection, so a
/// leader that was paused and replaced finds it cut and can store nothing more. Followers cut a leader that has been silent for longer than their patience.
/// </summary>
public sealed class Leadership : IAsyncDisposable
{
    static readonly TimeSpan Heartbeat = TimeSpan.FromSeconds(2);
    readonly TimeProvider _clock;

    Leadership(NpgsqlConnection connection, TimeProvider clock) => (Connection, _clock) = (connection, clock);

    public NpgsqlConnection Connection { get; }

    /// <summary>The lead, or null if another process has it.</summary>
    public static async Task<Leadership?> TryTakeAsync(EventStoreOptions options, string role, TimeProvider clock, CancellationToken cancel)
    {
        var key = KeyOf(options.Schema, role);
        var db = await options.DataSource.OpenConnectionAsync(cancel);
        try
        {
            if (await db.ScalarAsync("SELECT pg_try_advisory_lock($1)", cancel, key) is true) return new Leadership(db, clock);
            await CutSilentAsync(db, key, options.Patience, cancel);
        }
        catch
        {
            await db.DisposeAsync();
            throw;
        }

        await db.DisposeAsync();
        return null;
    }

    /// <summary>Of the advisory lock that a role's leader holds.</summary>
    public static long KeyOf(string schema, string role) => BinaryPrimitives.ReadInt64BigEndian(SHA256.HashData(Encoding.UTF8.GetBytes($"{schema}/{role}"))) & long.MaxValue;

    /// <summary>Awaits work that does not use the connection, and shows meanwhile that the leader lives.</summary>
    public async Task BeatWhileAsync(Task work, CancellationToken cancel)
    {
        while (!work.IsCompleted)
        {
            using var timer = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            await Task.WhenAny(work, Task.Delay(Heartbeat, _clock, timer.Token));
            await timer.CancelAsync();
            if (!work.IsCompleted) await Connection.RunAsync("SELECT 1", cancel);
        }
        await work;
    }

    static Task CutSilentAsync(NpgsqlConnection db, long key, TimeSpan patience, CancellationToken cancel) => db.RunAsync(
        """
        SELECT pg_terminate_backend(a.pid)
        FROM pg_locks l
        JOIN pg_stat_activity a ON a.pid = l.pid
        WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
          AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND (l.classid::bigint << 32) | l.objid::bigint = $1
          AND clock_timestamp() - a.state_change > $2
        """, cancel, key, patience);

    public async ValueTask DisposeAsync()
    {
        // The pool resets a connection only when it gives it out again: until then it would hold the lock, and be cut for its silence.
        if (Connection.State == System.Data.ConnectionState.Open)
            try
            {
                await Connection.RunAsync("SELECT pg_advisory_unlock_all()", CancellationToken.None);
            }
            catch (NpgsqlException)
            {
                // It is broken: the lock has gone with it.
            }
        await Connection.DisposeAsync();
    }
}
