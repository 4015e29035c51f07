using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace FlatRender.EventStore;

/// <summary>Sends the agenda when it is due: woken by commits and by the next due time, with a slow poll behind both.</summary>
public sealed partial class AgendaRelay(EventStoreOptions options, Agenda agenda, Wake wake, TimeProvider clock, ILogger<AgendaRelay> log) : BackgroundService
{
    readonly Signal _signal = wake.OnAgenda();
    long _inherited;

    /// <summary>What is in the agenda before anybody here can add to it is an earlier process's.</summary>
    public override async Task StartAsync(CancellationToken cancel)
    {
        if (options.InMemory) _inherited = await agenda.NewestAsync(cancel);
        await base.StartAsync(cancel);
    }

    protected override async Task ExecuteAsync(CancellationToken stopping)
    {
        var woken = !options.InMemory;
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                await agenda.OpenAsync(stopping);
                if (!woken) AllWoken(await agenda.WakeAllAsync(_inherited, stopping));
                woken = true;
                while (true)
                    if (await agenda.SendDueAsync(stopping) == 0)
                        await _signal.WaitAsync(await UntilNextAsync(stopping), clock, stopping);
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                // What was not confirmed is still in the agenda.
                Interrupted(e);
                await Task.Delay(options.Poll, clock, stopping);
            }
        }
    }

    async Task<TimeSpan> UntilNextAsync(CancellationToken cancel)
    {
        if (await agenda.NextDueAsync(cancel) is not { } next) return options.Poll;
        var wait = next - clock.GetUtcNow();
        return wait > options.Poll ? options.Poll : wait > TimeSpan.Zero ? wait : TimeSpan.FromMilliseconds(1);
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Woke {Count} rows of the agenda: what the memory of an earlier process held is asked for again.")]
    partial void AllWoken(int count);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Sending the agenda was interrupted; what was not confirmed is still in it.")]
    partial void Interrupted(Exception e);
}
