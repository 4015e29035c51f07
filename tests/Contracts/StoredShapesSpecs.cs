using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using FlatRender.Sagas;

namespace FlatRender.Contracts.Tests;

/// <summary>
/// What was ever stored stays readable. <c>stored/NAME.json</c> is a message as it was first stored, <c>stored/NAME.WHY.json</c> as it was stored later, with members added.
/// A sample is never edited: a new shape is a new file (and, where a member was renamed or removed, a new name with an upcaster). SHA256SUMS keeps them so; add the new line to it.
/// </summary>
public sealed class StoredShapesSpecs
{
    const string Memory = "memory.render_job";
    static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "stored");

    static IEnumerable<string> Files => Directory.GetFiles(Folder, "*.json").Select(f => Path.GetFileNameWithoutExtension(f)!).Order(StringComparer.Ordinal);

    public static TheoryData<string> Samples => [.. Files];

    static string Text(string sample) => File.ReadAllText(Path.Combine(Folder, sample + ".json"));

    /// <summary>The longest known name that the file's begins with.</summary>
    static string NameOf(string sample) => Vocabulary.All.Names.Concat(Vocabulary.All.OldNames).Append(Memory).Where(n => sample == n || sample.StartsWith(n + ".", StringComparison.Ordinal)).MaxBy(n => n.Length)
        ?? throw new InvalidOperationException($"stored/{sample}.json is of no name in the vocabulary: a name that was ever stored is kept, with an upcaster to what it is called now.");

    static object Read(string name, string json) => name == Memory ? JsonSerializer.Deserialize<RenderJob>(json, Wire.Json)! : Vocabulary.All.Read(name, json);

    [Fact]
    public void Every_word_that_is_or_was_stored_has_a_sample()
    {
        var names = Files.Select(NameOf).ToHashSet();
        Vocabulary.All.Names.Concat(Vocabulary.All.OldNames).Append(Memory).Except(names).ShouldBeEmpty("a new word needs a sample in tests/Contracts/stored, as it is stored");
    }

    [Theory]
    [MemberData(nameof(Samples))]
    public void What_was_stored_is_read_and_nothing_of_it_is_lost(string sample)
    {
        var name = NameOf(sample);
        var message = Read(name, Text(sample));
        if (Vocabulary.All.OldNames.Contains(name)) return;
        Missing(JsonNode.Parse(Text(sample))!, JsonSerializer.SerializeToNode(message, message.GetType(), Wire.Json), "").ShouldBeEmpty("members that are stored and no longer read: keep them, or give the message a new name and an upcaster");
    }

    [Fact]
    public void A_sample_is_never_edited()
    {
        var now = Directory.GetFiles(Folder, "*.json").Order(StringComparer.Ordinal).Select(f => $"{Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(f)))}  {Path.GetFileName(f)}");
        now.ShouldBe(File.ReadAllLines(Path.Combine(Folder, "SHA256SUMS")), "an edited sample no longer shows what was stored");
    }

    static IEnumerable<string> Missing(JsonNode? stored, JsonNode? read, string path) => (stored, read) switch
    {
        (null, _) => [],
        (JsonObject a, JsonObject b) => a.SelectMany(m => Missing(m.Value, b[m.Key], $"{path}/{m.Key}")),
        (JsonArray a, JsonArray b) when a.Count == b.Count => a.SelectMany((item, i) => Missing(item, b[i], $"{path}/{i}")),
        (JsonValue a, JsonValue b) when JsonNode.DeepEquals(a, b) => [],
        _ => [$"{path}: {stored.ToJsonString()} became {read?.ToJsonString() ?? "nothing"}"],
    };
}
