using System.Threading.Channels;
using Npgsql;

namespace FlatRender.EventStore;

/// <summary>The stream has moved on since it was read: reload and decide again.</summary>
public sealed class ConcurrencyException(Guid streamId, long expected) : Exception($"Stream {streamId} is no longer at version {expected}.")
{
    public Guid StreamId => streamId;
    public long Expected => expected;
}

/// <summary>Puts a unit of work on disk, all or nothing. Implemented here, and on Marten's session (FlatRender.EventStore.Marten).</summary>
public interface ICommit
{
    /// <summary>Whether a committed unit's agenda rows know their numbers, so that they can be sent without being looked up.</summary>
    bool TellsNumbers => false;

    /// <summary>Returns when the unit is on disk.</summary>
    /// <exception cref="ConcurrencyException">The stream has moved on; nothing of the unit was stored.</exception>
    Task CommitAsync(UnitOfWork unit, CancellationToken cancel);
}

/// <summary>Commits units that are ready at the same moment together: one statement, one round trip, one fsync. A lone unit waits for nobody.</summary>
public sealed class GroupCommit : ICommit, IAsyncDisposable
{
    readonly Channel<Pending> _queue = Channel.CreateUnbounded<Pending>();
    readonly EventStoreOptions _options;
    readonly Wake _wake;
    readonly Tally _tally;
    readonly Task[] _committers;

    public bool TellsNumbers => true;

    public GroupCommit(EventStoreOptions options, Wake wake, Tally tally)
    {
        _options = options;
        _wake = wake;
        _tally = tally;
        _committers = [.. Enumerable.Range(0, options.Committers).Select(_ => Task.Run(CommitterAsync))];
    }

    /// <summary>Returns when the unit is on disk. Once handed in, a unit is not taken back: its outcome must be known.</summary>
    /// <exception cref="ConcurrencyException">The stream has moved on; nothing of the unit was stored.</exception>
    public async Task CommitAsync(UnitOfWork unit, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        var pending = new Pending(unit, new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously));
        if (!_queue.Writer.TryWrite(pending)) throw new ObjectDisposedException(nameof(GroupCommit));
        if (!await pending.Done.Task) throw new ConcurrencyException(unit.StreamId, unit.Expected);
        // What is due later, the agenda's own poll finds in time.
        _wake.Committed(facts: unit.Facts.Count > 0, agenda: unit.Agenda.Exists(a => a.Due - unit.Now <= _options.Poll));
    }

    public async ValueTask DisposeAsync()
    {
        _queue.Writer.TryComplete();
        await Task.WhenAll(_committers);
    }

    async Task CommitterAsync()
    {
        await using var append = new Append(_options);
        var batch = new List<Pending>();
        var later = new List<Pending>();
        var streams = new HashSet<Guid>();
        while (later.Count > 0 || await _queue.Reader.WaitToReadAsync())
        {
            // A second unit of a stream waits for the next batch: within one statement it could not see the first.
            if (later.Count > 0)
            {
                batch.AddRange(later.Where(p => streams.Add(p.Unit.StreamId)));
                later.RemoveAll(batch.Contains);
            }
            while (batch.Count < _options.MaxBatch && _queue.Reader.TryRead(out var next)) (streams.Add(next.Unit.StreamId) ? batch : later).Add(next);
            if (batch.Count > 0) await CommitAsync(append, batch);
            batch.Clear();
            streams.Clear();
        }
    }

    async Task CommitAsync(Append append, List<Pending> batch, bool again = false)
    {
        batch.Sort((a, b) => a.Unit.StreamId.CompareTo(b.Unit.StreamId));
        try
        {
            _tally.Batch(batch.Count);
            var accepted = await append.RunAsync(batch.ConvertAll(p => p.Unit), again);
            foreach (var p in batch)
            {
                var isIn = accepted.TryGetValue(p.Unit.StreamId, out var numbers);
                for (var i = 0; isIn && i < numbers!.Length; i++) p.Unit.Agenda[i].Number = numbers[i];
                p.Done.SetResult(isIn);
            }
        }
        catch (PostgresException e) when (batch.Count > 1)
        {
            // One bad unit harms no other: each is tried alone, and the bad one's failure goes to its own owner.
            foreach (var p in batch) await CommitAsync(append, [p], again: e.SqlState == PostgresErrorCodes.LockNotAvailable);
        }
        catch (PostgresException e) when (e.SqlState is PostgresErrorCodes.DeadlockDetected or PostgresErrorCodes.LockNotAvailable)
        {
            // Somebody else has the stream's row: another engine, which locks its fact first and the row last, or a hand in the database. What it has half written will be there when the owner looks again.
            batch[0].Done.SetResult(false);
        }
        catch (Exception e)
        {
            foreach (var p in batch) p.Done.TrySetException(e);
        }
    }

    sealed record Pending(UnitOfWork Unit, TaskCompletionSource<bool> Done);
}
