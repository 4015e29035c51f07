using MassTransit;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace FlatRender.EventStore;

/// <summary>Publishes every fact, in order, at least once. One process leads; the position moves only when the broker has confirmed.</summary>
public sealed partial class Relay(EventStoreOptions options, IFactTarget target, Wake wake, Tally tally, TimeProvider clock, ILogger<Relay> log) : BackgroundService
{
    /// <summary>How soon to look again at a gap: as long as a transaction in flight takes.</summary>
    static readonly TimeSpan AtGap = TimeSpan.FromMilliseconds(2);

    readonly Signal _signal = wake.OnFacts();

    protected override async Task ExecuteAsync(CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                await using var lead = await Leadership.TryTakeAsync(options, "relay", clock, stopping);
                if (lead is null) await Task.Delay(options.Poll, clock, stopping);
                else await LeadAsync(lead, stopping);
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                // Whatever it was, the position stands where the broker confirmed: begin there again.
                Interrupted(e);
                await Task.Delay(options.Poll, clock, stopping);
            }
        }
    }

    async Task LeadAsync(Leadership lead, CancellationToken stopping)
    {
        await target.ReadyAsync(stopping);
        // In memory, whoever was to hear a fact twice has died with the process: the position need not wait for the disk.
        await lead.Connection.RunAsync($"SET synchronous_commit = {(options.InMemory ? "off" : "on")}", stopping);
        await using var reader = await EventReader.OpenAsync(lead.Connection, options.Schema, "relay", cancel: stopping);
        Leading(reader.Position);
        while (true)
        {
            var facts = await reader.NextAsync(stopping);
            if (facts.Count == 0)
            {
                await _signal.WaitAsync(reader.AtGap ? AtGap : options.Poll, clock, stopping);
                continue;
            }
            await lead.BeatWhileAsync(target.PublishAsync(facts, stopping), stopping);
            await reader.SaveAsync(stopping);
            tally.Relay(facts);
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Relaying facts from {Position} on.")]
    partial void Leading(long position);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The relay of facts was interrupted and begins again where the broker last confirmed.")]
    partial void Interrupted(Exception e);
}
