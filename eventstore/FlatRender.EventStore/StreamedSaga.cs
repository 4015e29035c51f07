using System.Text.Json;
using FlatRender.Contracts;
using MassTransit;

namespace FlatRender.EventStore;

/// <summary>What a saga remembers: an immutable fold of its stream. <see cref="Apply"/> is pure and total.</summary>
public interface IMemory<TSelf> where TSelf : class, IMemory<TSelf>
{
    /// <summary>The memory before the first fact.</summary>
    static abstract TSelf Unborn(Guid id);

    Guid Id { get; }

    /// <summary>The state the facts lead to, by name; "" while unborn.</summary>
    string State { get; }

    TSelf Apply(object fact);
}

/// <summary>A saga whose memory is its own event stream. Memory changes only through <see cref="UnitOfWork.Record"/>.</summary>
public abstract class StreamedSaga : SagaStateMachineInstance
{
    public Guid CorrelationId { get; set; }
    public string CurrentState { get; set; } = "";

    /// <summary>Version of the last fact of the stream; 0 while unborn.</summary>
    public long Version { get; private protected set; }

    /// <summary>The stream's name for its kind, as in <c>mt_streams.type</c>.</summary>
    internal abstract string StreamType { get; }

    /// <summary>The table of its memory's document.</summary>
    internal abstract string Document { get; }

    internal abstract string StateByFacts { get; }
    internal abstract string MemoryJson { get; }
    internal abstract Remembered Remember(string? hash);
    internal abstract void Recall(Remembered remembered);
    internal abstract void Take(object fact);
    internal abstract object Memorized(string json);
}

/// <summary>A streamed saga that remembers a <typeparamref name="TMemory"/>.</summary>
public abstract class StreamedSaga<TMemory> : StreamedSaga where TMemory : class, IMemory<TMemory>
{
    TMemory? _memory;

    public TMemory Memory => _memory ??= TMemory.Unborn(CorrelationId);

    internal override string StreamType => Names<TMemory>.Stream;
    internal override string Document => Names<TMemory>.Document;
    internal override string StateByFacts => Memory.State;
    internal override string MemoryJson => JsonSerializer.Serialize(Memory, Wire.Json);
    internal override object Memorized(string json) => JsonSerializer.Deserialize<TMemory>(json, Wire.Json)!;
    internal override Remembered Remember(string? hash) => new(Memory, Version, hash);

    internal override void Recall(Remembered remembered)
    {
        _memory = (TMemory)remembered.Memory;
        Version = remembered.Version;
        CurrentState = _memory.State;
    }

    internal override void Take(object fact)
    {
        _memory = Memory.Apply(fact);
        Version++;
    }
}

/// <summary>A committed memory: what it is, of which version, and the hash of the fact that led to it (null before the first).</summary>
sealed record Remembered(object Memory, long Version, string? Hash);

/// <summary>What a kind of memory is called: its stream's type and its document's table, as Marten would name it.</summary>
static class Names<TMemory>
{
    public static readonly string Stream = JsonNamingPolicy.SnakeCaseLower.ConvertName(typeof(TMemory).Name);
    public static readonly string Document = "mt_doc_" + typeof(TMemory).Name.ToLowerInvariant();
}
