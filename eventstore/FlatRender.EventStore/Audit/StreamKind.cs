using System.Text.Json;
using FlatRender.Contracts;

namespace FlatRender.EventStore;

/// <summary>What streams of one type must be: how their memory follows from their facts, and which facts may follow which.</summary>
public sealed class StreamKind
{
    readonly Func<Guid, Life> _unborn;

    StreamKind(string type, string? document, Func<Guid, Life> unborn) => (Type, Document, _unborn) = (type, document, unborn);

    /// <summary>As in <c>mt_streams.type</c>.</summary>
    public string Type { get; }

    /// <summary>The table of the stored memories; null where none are stored.</summary>
    internal string? Document { get; }

    /// <param name="illegal">Of a memory and the fact that is to follow: why it may not, or null.</param>
    public static StreamKind Of<TMemory>(Func<TMemory, object, string?> illegal) where TMemory : class, IMemory<TMemory> =>
        new(Names<TMemory>.Stream, Names<TMemory>.Document, id => new Life<TMemory>(TMemory.Unborn(id), illegal));

    /// <summary>A kind whose memory is folded when it is needed and never stored.</summary>
    public static StreamKind OfFacts<TMemory>(string type, Func<TMemory, object, string?> illegal) where TMemory : class, IMemory<TMemory> => new(type, null, id => new Life<TMemory>(TMemory.Unborn(id), illegal));

    internal Life Begin(Guid id) => _unborn(id);

    /// <summary>A stream lived through again.</summary>
    internal abstract class Life
    {
        /// <summary>Why the fact may not follow, or null.</summary>
        public abstract string? Illegal(object fact);

        public abstract void Take(object fact);

        /// <summary>The memory now, as it would be stored.</summary>
        public abstract string Json { get; }
    }

    sealed class Life<TMemory>(TMemory memory, Func<TMemory, object, string?> illegal) : Life where TMemory : class, IMemory<TMemory>
    {
        TMemory _memory = memory;

        public override string? Illegal(object fact) => illegal(_memory, fact);
        public override void Take(object fact) => _memory = _memory.Apply(fact);
        public override string Json => JsonSerializer.Serialize(_memory, Wire.Json);
    }
}
