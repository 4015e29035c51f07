using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace FlatRender.EventStore;

/// <summary>
/// Tells other processes that something was committed, so that the leading relay need not poll fast. Never inside the writing transaction (NOTIFY makes
/// commits queue up): after it, on a connection of its own, many commits with one ring. A lost ring costs one poll.
/// </summary>
public sealed partial class Bell(EventStoreOptions options, Wake wake, TimeProvider clock, ILogger<Bell> log) : BackgroundService
{
    readonly Signal _committed = wake.OnCommitsHere();
    volatile int _ringer;

    string Channel => $"flatrender_{options.Schema}";

    protected override Task ExecuteAsync(CancellationToken stopping) => Task.WhenAll(
        KeptUpAsync(RingAsync, stopping),
        options.Relay ? KeptUpAsync(HearAsync, stopping) : Task.CompletedTask);

    async Task RingAsync(NpgsqlConnection db, CancellationToken stopping)
    {
        // A ring is worth no fsync.
        await db.RunAsync("SET synchronous_commit = off", stopping);
        _ringer = db.ProcessID;
        while (true)
        {
            await _committed.WaitAsync(Timeout.InfiniteTimeSpan, clock, stopping);
            await db.RunAsync(wake.TakeAgendaHere() ? $"NOTIFY {Channel}, 'agenda'" : $"NOTIFY {Channel}", stopping);
        }
    }

    async Task HearAsync(NpgsqlConnection db, CancellationToken stopping)
    {
        // Who rang here was woken by its own commit.
        db.Notification += (_, ring) => { if (ring.PID != _ringer) wake.CommittedElsewhere(agenda: ring.Payload.Length > 0); };
        await db.RunAsync($"LISTEN {Channel}", stopping);
        while (true) await db.WaitAsync(stopping);
    }

    async Task KeptUpAsync(Func<NpgsqlConnection, CancellationToken, Task> work, CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                await using var db = await options.DataSource.OpenConnectionAsync(stopping);
                await work(db, stopping);
            }
            catch (Exception e) when (e is NpgsqlException or IOException)
            {
                Silent(e);
                await Task.Delay(options.Poll, clock, stopping);
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The bell between processes is silent for a moment; the relay polls meanwhile.")]
    partial void Silent(Exception e);
}
