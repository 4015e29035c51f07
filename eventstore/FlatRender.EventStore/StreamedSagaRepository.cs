using MassTransit;
using MassTransit.Context;
using MassTransit.Saga;

namespace FlatRender.EventStore;

/// <summary>The machine and the facts say different states: a bug in one of them. Nothing was stored.</summary>
public sealed class StateDisagreementException(Guid id, string byMachine, string byFacts) : Exception($"Of {id}, the machine says '{byMachine}' and the facts say '{byFacts}'. A step must record the fact that leads to its state.");

/// <summary>Runs each message as one unit of work on a memory that is usually at hand, and runs it again when the stream had moved on.</summary>
public sealed class StreamedSagaRepository<TSaga>(
    EventStoreOptions options, Streams streams, Recollection recollection, ICommit commit, Agenda agenda, Tally tally, TimeProvider clock, ISagaConsumeContextFactory<UnitOfWork, TSaga> factory)
    : ISagaRepositoryContextFactory<TSaga>, ILoadSagaRepositoryContextFactory<TSaga> where TSaga : StreamedSaga, new()
{
    /// <summary>Each try but the first begins with a fresh read, so only steady competition for one stream gets this far.</summary>
    const int Tries = 20;

    static readonly string StreamType = new TSaga().StreamType;

    public async Task Send<T>(ConsumeContext<T> context, IPipe<SagaRepositoryContext<TSaga, T>> next) where T : class
    {
        var id = context.CorrelationId!.Value;
        var headers = FactHeaders.Of(context.Headers.Get<string>(FactHeaders.ActorHeader), context.MessageId);
        for (var tries = 1; ; tries++)
        {
            var atOnce = agenda.SendsAtOnce && commit.TellsNumbers;
            var unit = new UnitOfWork(id, StreamType, options.Vocabulary, headers, clock.GetUtcNow()) { Grace = atOnce ? Agenda.Grace : TimeSpan.Zero };
            var step = new StreamedSagaContext<TSaga, T>(this, unit, tries > 1, context, factory);
            try
            {
                await next.Send(step);
                step.CheckState();
            }
            catch (Exception) when (tries < Tries && step.WasRemembered)
            {
                // Perhaps the machine only stumbled over a memory that another process had made stale.
                if (!await HasMovedOnAsync(unit, context.CancellationToken)) throw;
                recollection.Forget(id);
                continue;
            }

            if (unit.IsEmpty)
            {
                // Ignoring a message is a decision too: it must not rest on a stale memory.
                if (!step.WasRemembered || !await HasMovedOnAsync(unit, context.CancellationToken)) return;
                recollection.Forget(id);
                if (tries == Tries) throw new ConcurrencyException(id, unit.Expected);
                continue;
            }

            try
            {
                await commit.CommitAsync(unit, context.CancellationToken);
            }
            catch (Exception e)
            {
                // Whatever went wrong, what is remembered may no longer be what is stored.
                recollection.Forget(id);
                if (e is not ConcurrencyException) throw;
                tally.Conflict();
                if (tries == Tries) throw;
                continue;
            }

            if (unit.Outcome is { } outcome) recollection.Keep(id, outcome);
            if (atOnce) await agenda.SendAtOnceAsync(unit, context.CancellationToken);
            return;
        }
    }

    /// <summary>The saga to work on, or null if its stream is not born.</summary>
    internal async Task<TSaga?> LoadAsync(UnitOfWork unit, bool fresh, Action wasRemembered, CancellationToken cancel)
    {
        var remembered = fresh ? null : recollection.Find(unit.StreamId);
        if (remembered is not null) wasRemembered();
        else
        {
            tally.Read();
            remembered = await streams.RecallAsync(new TSaga(), unit.StreamId, cancel);
            if (remembered is null) return null;
            recollection.Keep(unit.StreamId, remembered);
        }

        unit.StandOn(remembered.Version, remembered.Hash);
        var saga = new TSaga { CorrelationId = unit.StreamId };
        saga.Recall(remembered);
        return saga;
    }

    internal bool Remembers(Guid id) => recollection.Find(id) is not null;

    async Task<bool> HasMovedOnAsync(UnitOfWork unit, CancellationToken cancel)
    {
        tally.Read();
        return await streams.VersionAsync(unit.StreamId, cancel) != unit.Expected;
    }

    public Task SendQuery<T>(ConsumeContext<T> context, ISagaQuery<TSaga> query, IPipe<SagaRepositoryQueryContext<TSaga, T>> next) where T : class =>
        throw new NotSupportedException("Sagas are found by their id: correlate every message by it.");

    public async Task<T> Execute<T>(Func<LoadSagaRepositoryContext<TSaga>, Task<T>> read, CancellationToken cancel) where T : class =>
        await read(new Reading(this, clock, options.Vocabulary, cancel));

    public void Probe(ProbeContext context) => context.Add("persistence", "event stream");

    sealed class Reading(StreamedSagaRepository<TSaga> repository, TimeProvider clock, Contracts.Vocabulary vocabulary, CancellationToken cancel)
        : MassTransit.Middleware.BasePipeContext(cancel), LoadSagaRepositoryContext<TSaga>
    {
        public async Task<TSaga> Load(Guid correlationId) =>
            (await repository.LoadAsync(new UnitOfWork(correlationId, StreamType, vocabulary, FactHeaders.Of(null, null), clock.GetUtcNow()), fresh: true, () => { }, CancellationToken))!;
    }
}

/// <summary>One step: what MassTransit asks of a repository while a message is handled.</summary>
sealed class StreamedSagaContext<TSaga, T>(StreamedSagaRepository<TSaga> repository, UnitOfWork unit, bool fresh, ConsumeContext<T> message, ISagaConsumeContextFactory<UnitOfWork, TSaga> factory)
    : ConsumeContextScope<T>(message, unit), SagaRepositoryContext<TSaga, T> where TSaga : StreamedSaga, new() where T : class
{
    TSaga? _saga;

    /// <summary>Whether the step stands on what this process remembered or presumed, not on what it read.</summary>
    public bool WasRemembered { get; private set; }

    public void CheckState()
    {
        if (_saga is null) return;
        // The machine calls an unborn saga's state Initial.
        var byMachine = _saga.CurrentState == "Initial" ? "" : _saga.CurrentState;
        if (byMachine != _saga.StateByFacts) throw new StateDisagreementException(_saga.CorrelationId, byMachine, _saga.StateByFacts);
    }

    public async Task<SagaConsumeContext<TSaga, T>> Load(Guid correlationId) =>
        await repository.LoadAsync(unit, fresh, () => WasRemembered = true, CancellationToken) is { } saga ? await ContextOf(saga, SagaConsumeContextMode.Load) : null!;

    public Task<SagaConsumeContext<TSaga, T>> Add(TSaga instance) => ContextOf(instance, SagaConsumeContextMode.Add);

    /// <summary>For an event with InsertOnInitial: presumes the stream unborn without reading. If it was born, the append refuses and the next try reads.</summary>
    public async Task<SagaConsumeContext<TSaga, T>> Insert(TSaga instance)
    {
        if (fresh || repository.Remembers(unit.StreamId)) return null!;
        WasRemembered = true;
        return await ContextOf(instance, SagaConsumeContextMode.Insert);
    }

    public Task Save(SagaConsumeContext<TSaga> context) => Task.CompletedTask;
    public Task Update(SagaConsumeContext<TSaga> context) => Task.CompletedTask;
    public Task Delete(SagaConsumeContext<TSaga> context) => Task.CompletedTask;
    public Task Discard(SagaConsumeContext<TSaga> context) => Task.CompletedTask;
    public Task Undo(SagaConsumeContext<TSaga> context) => Task.CompletedTask;

    public Task<SagaConsumeContext<TSaga, TOther>> CreateSagaConsumeContext<TOther>(ConsumeContext<TOther> other, TSaga instance, SagaConsumeContextMode mode) where TOther : class =>
        factory.CreateSagaConsumeContext(unit, other, instance, mode);

    Task<SagaConsumeContext<TSaga, T>> ContextOf(TSaga saga, SagaConsumeContextMode mode)
    {
        _saga = saga;
        return factory.CreateSagaConsumeContext(unit, this, saga, mode);
    }
}
