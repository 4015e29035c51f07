using System.Buffers;
using System.Text.Json;
using FlatRender.Contracts;

namespace FlatRender.EventStore;

/// <summary>A stream as its row and its document say it is.</summary>
/// <param name="Exists">False: there is a document but no stream.</param>
/// <param name="Memory">The stored memory as JSON, or null.</param>
/// <param name="Odd">The columns of its row that should have one value and have another, or null.</param>
sealed record Claimed(Guid Id, bool Exists, string? Type, long Version, string? Memory, string? Odd);

/// <summary>Goes through one stream, fact by fact, and compares it with what is claimed of it.</summary>
sealed class StreamCheck(Claimed claimed, StreamKind? kind, Vocabulary vocabulary, Action<Finding> found)
{
    readonly StreamKind.Life? _life = kind?.Begin(claimed.Id);
    long _version, _seq;
    string? _hash;
    bool _foldable = true;

    /// <param name="odd">The columns of its row that should have one value and have another, or null.</param>
    /// <param name="dotnetType">The .NET type that Marten named when it wrote the fact; null where we did.</param>
    public void Take(RecordedEvent e, string? odd, string? dotnetType)
    {
        if (e.Version == _version + 1) { }
        else if (e.Version <= _version) found(Finding.Of("version_doubled", e, $"it follows version {_version}."));
        else Missing(_version + 1, e.Version - 1);
        if (e.Seq <= _seq) found(Finding.Of("order_broken", e, $"its number {e.Seq} is not after the {_seq} of the fact before it."));

        // A fact whose own hash holds vouches for the one before it: only what was changed is named, not all that follows.
        var hash = HashOf(e);
        if (hash is null) found(Finding.Of("hash_broken", e, "it carries no hash."));
        else if (!Follows(hash, e)) found(Finding.Of("hash_broken", e, "its hash does not follow from it and the fact before it: one of them was changed."));
        if (odd is not null) found(Finding.Of("row_changed", e, $"its {odd} was changed: Marten would not show it as it was written."));
        if (dotnetType is not null && vocabulary.Names.Contains(e.Type) && dotnetType != DotnetName(vocabulary.TypeOf(e.Type))) found(Finding.Of("row_changed", e, $"its mt_dotnet_type is '{dotnetType}', which is not what Marten calls such a fact."));
        (_version, _seq, _hash) = (e.Version, e.Seq, hash);
        if (_life is not null && _foldable) Fold(_life, e);
    }

    public void End()
    {
        if (_version < claimed.Version) Missing(_version + 1, claimed.Version);
        if (_version > claimed.Version) found(Whole("stream_differs", $"its row says version {claimed.Version}, its last fact is {_version}."));
        if (claimed.Exists && claimed.Odd is not null) found(Whole("stream_differs", $"its row's {claimed.Odd} was changed: Marten would not show it as it was written."));
        if (!claimed.Exists) found(Whole("memory_orphaned", "there is a memory but no stream."));
        else if (kind?.Document is null && claimed.Memory is not null) found(Whole("stream_differs", $"there is a memory, but its row says it is a stream of type '{claimed.Type}', which has none."));
        else if (kind?.Document is not null && claimed.Memory is null) found(Whole("memory_missing", "there is a stream but no memory."));
        else if (_life is not null && claimed.Memory is not null && _foldable && Difference(_life.Json, claimed.Memory) is { } difference) found(Whole("memory_differs", difference));
    }

    static string? HashOf(RecordedEvent e)
    {
        try
        {
            return e.Header("hash") is { Length: 64 } given && given.All(char.IsAsciiHexDigitLower) ? given : null;
        }
        catch (JsonException)
        {
            // Nested deeper than any headers of ours.
            return null;
        }
    }

    bool Follows(string hash, RecordedEvent e)
    {
        try
        {
            return hash == Chain.Hash(_hash, e.StreamId, e.Version, e.EventId, e.Type, e.Timestamp, e.Data, e.Headers);
        }
        catch (JsonException)
        {
            // Nested deeper than anything ever stored: not ours.
            return false;
        }
    }

    void Fold(StreamKind.Life life, RecordedEvent e)
    {
        try
        {
            var fact = e.Fact(vocabulary);
            if (life.Illegal(fact) is { } why) found(Finding.Of("path_illegal", e, why));
            life.Take(fact);
        }
        catch (Exception failure)
        {
            // Whatever a changed history does to a fold, it is a finding, and ends the search neither here nor elsewhere. What follows from a fact that cannot be read, or not be taken in after those before it, is not known.
            _foldable = false;
            found(Finding.Of("fact_unreadable", e, failure.Message));
        }
    }

    static string DotnetName(Type type) => $"{type.FullName}, {type.Assembly.GetName().Name}";

    void Missing(long from, long to) => found(new("version_missing", claimed.Id, from, null, null, null, from == to ? $"version {from} is not there." : $"versions {from} to {to} are not there."));

    Finding Whole(string code, string detail) => new(code, claimed.Id, null, null, null, claimed.Type, detail);

    /// <summary>What differs between the memory that follows from the facts and the stored one, or null.</summary>
    static string? Difference(string folded, string stored)
    {
        ArrayBufferWriter<byte> a = new(folded.Length * 2), b = new(folded.Length * 2);
        CanonicalJson.Write(folded, a);
        try
        {
            CanonicalJson.Write(stored, b);
        }
        catch (JsonException e)
        {
            return $"the memory cannot be read: {e.Message}";
        }
        if (a.WrittenSpan.SequenceEqual(b.WrittenSpan)) return null;
        using JsonDocument left = JsonDocument.Parse(folded), right = JsonDocument.Parse(stored);
        if (right.RootElement.ValueKind != JsonValueKind.Object) return $"the memory is not what its facts make it: it is {Shortened(stored)}.";
        var differing = left.RootElement.EnumerateObject().Select(p => p.Name).Union(right.RootElement.EnumerateObject().Select(p => p.Name))
            .Where(name => Text(left, name) != Text(right, name))
            .Select(name => $"{name} is {Text(right, name)} and must be {Text(left, name)}");
        return $"the memory is not what its facts make it: {string.Join("; ", differing.Take(5))}.";
    }

    static string Text(JsonDocument document, string name)
    {
        if (!document.RootElement.TryGetProperty(name, out var value)) return "absent";
        var bytes = new ArrayBufferWriter<byte>(64);
        CanonicalJson.Write(value.GetRawText(), bytes);
        // Compared in the canonical form, shown as written: equal values never differ in spaces or digits alone.
        return value.ValueKind is JsonValueKind.Object or JsonValueKind.Array ? $"{Shortened(value.GetRawText())} ({Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(bytes.WrittenSpan))[..8]})" : value.GetRawText();
    }

    static string Shortened(string text) => text.Length <= 60 ? text : text[..57] + "...";
}
