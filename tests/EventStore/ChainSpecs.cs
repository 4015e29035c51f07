using System.Buffers;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using FlatRender.Contracts;
using FlatRender.TestKit;

namespace FlatRender.EventStore.Tests;

public sealed class ChainSpecs : IAsyncLifetime
{
    TestDatabase _database = null!;

    public async Task InitializeAsync() => _database = await TestDatabase.CreateAsync();
    public async Task DisposeAsync() => await _database.DisposeAsync();

    static string Canonical(string json)
    {
        var bytes = new ArrayBufferWriter<byte>();
        CanonicalJson.Write(json, bytes);
        return Convert.ToHexString(bytes.WrittenSpan);
    }

    Task<List<string>> AsStoredAsync(params string[] json) =>
        _database.QueryAsync("SELECT v::jsonb::text FROM unnest($1::text[]) WITH ORDINALITY AS u (v, n) ORDER BY n", r => r.GetString(0), (object)json);

    [Theory]
    [InlineData("""{"b":1,"a":{"d":[],"c":{}},"aa":null}""")]
    [InlineData("""{"title":"سلام دنیا – naïve 日本 🎬 \u200f","escaped":"\u0633\ud83c\udfac\"\\\/\b\f\n\r\t\u001f"}""")]
    [InlineData("""[0,-0,0.0,-0.00,1,1.0,1.50,10,100e-2,1e2,1E+2,12345678901234567890123456789,0.1,1e-7,-2.5e-12,1.7976931348623157E+308,5E-324,123456.789e3]""")]
    [InlineData("""{"twice":1,"twice":2,"":"empty","\u00e9":"composed","e\u0301":"decomposed"}""")]
    public async Task The_canonical_form_is_that_of_what_the_database_returns(string json) => Canonical((await AsStoredAsync(json))[0]).ShouldBe(Canonical(json));

    [Fact]
    public async Task The_canonical_form_survives_the_database_for_any_value()
    {
        var seed = Random.Shared.Next();
        var random = new Random(seed);
        var values = Enumerable.Range(0, 2000).Select(_ => Any(random, 4)!.ToJsonString(random.Next(2) == 0 ? Wire.Json : JsonSerializerOptions.Default)).ToArray();
        var stored = await AsStoredAsync(values);
        for (var i = 0; i < values.Length; i++) Canonical(stored[i]).ShouldBe(Canonical(values[i]), $"seed {seed}: {values[i]} came back as {stored[i]}");
    }

    [Theory]
    [InlineData("""{"a":1}""", """{"a":2}""")]
    [InlineData("""{"a":1}""", """{"a":"1"}""")]
    [InlineData("""{"a":1}""", """{"a":10}""")]
    [InlineData("""{"a":1}""", """{"a":-1}""")]
    [InlineData("""{"a":[1,23]}""", """{"a":[12,3]}""")]
    [InlineData("""{"a":{},"b":1}""", """{"a":{"b":1}}""")]
    [InlineData("""{"a":["b"]}""", """{"a":"b"}""")]
    [InlineData("""{"a":null}""", """{}""")]
    [InlineData("""[true]""", """[false]""")]
    public void Different_values_have_different_canonical_forms(string one, string other) => Canonical(one).ShouldNotBe(Canonical(other));

    [Fact]
    public async Task Whatever_is_changed_in_a_stored_fact_shows_at_that_fact()
    {
        await using var process = new Process(_database);
        var id = Ids.New();
        object[] facts = [.. Enumerable.Range(0, 6).Select(n => new JobHeld(new JobId(id), "me", $"fact {n} 🎬 {n / 3.0}"))];
        await process.Streams.AppendAsync(id, "render_job", 0, facts[..3], "test", CancellationToken.None);
        await process.Streams.AppendAsync(id, "render_job", 3, facts[3..], "test", CancellationToken.None);
        (await FirstBrokenAsync(process, id)).ShouldBe(null);

        foreach (var change in new[]
        {
            "data = jsonb_set(data, '{reason}', '\"fact 3 🎬 1.0\"')", "type = 'render.job.released.v1'", "timestamp = timestamp + interval '1 microsecond'", "id = gen_random_uuid()",
            "headers = jsonb_set(headers, '{actor}', '\"tesT\"')", "headers = jsonb_set(headers, '{hash}', to_jsonb(repeat('0', 64)))", "headers = headers - 'hash'",
        })
        {
            await using var tx = await _database.Source.OpenConnectionAsync();
            await RunAsync($"CREATE TABLE {_database.Schema}.kept AS SELECT * FROM {_database.Schema}.mt_events WHERE version = 4");
            await RunAsync($"UPDATE {_database.Schema}.mt_events SET {change} WHERE version = 4");
            (await FirstBrokenAsync(process, id)).ShouldBe(4, change);
            await RunAsync($"DELETE FROM {_database.Schema}.mt_events WHERE version = 4; INSERT INTO {_database.Schema}.mt_events SELECT * FROM {_database.Schema}.kept; DROP TABLE {_database.Schema}.kept");
        }

        await RunAsync($"DELETE FROM {_database.Schema}.mt_events WHERE version = 2");
        (await FirstBrokenAsync(process, id)).ShouldBe(3, "a fact that was cut out");
    }

    static async Task<long?> FirstBrokenAsync(Process process, Guid id)
    {
        string? hash = null;
        foreach (var e in await process.Streams.ReadAsync(id, CancellationToken.None))
        {
            if (!Chain.Holds(hash, e)) return e.Version;
            hash = e.Header("hash");
        }
        return null;
    }

    async Task RunAsync(string sql)
    {
        await using var command = _database.Source.CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }

    static JsonNode? Any(Random random, int depth) => random.Next(depth > 0 ? 7 : 5) switch
    {
        0 => JsonValue.Create(random.NextDouble() * Math.Pow(10, random.Next(-300, 300)) * (random.Next(2) * 2 - 1)),
        1 => JsonNode.Parse($"{(random.Next(2) == 0 ? "-" : "")}{random.NextInt64().ToString(CultureInfo.InvariantCulture)}.{random.Next(1000):D3}{(random.Next(2) == 0 ? "" : $"e{random.Next(-60, 60)}")}"),
        2 => JsonValue.Create(Word(random)),
        3 => JsonValue.Create(random.Next(2) == 0),
        4 => JsonValue.Create(random.NextInt64(long.MinValue, long.MaxValue)),
        5 => new JsonArray([.. Enumerable.Range(0, random.Next(5)).Select(_ => Any(random, depth - 1))]),
        _ => new JsonObject(Enumerable.Range(0, random.Next(5)).Select(_ => Word(random)).Distinct().Select(k => KeyValuePair.Create(k, Any(random, depth - 1)))),
    };

    static string Word(Random random) => string.Concat(Enumerable.Range(0, random.Next(8)).Select(_ => random.Next(4) switch
    {
        0 => char.ConvertFromUtf32(random.Next(0x1F300, 0x1F6FF)),
        1 => ((char)random.Next(1, 0x80)).ToString(),
        2 => ((char)random.Next(0x600, 0x6FF)).ToString(),
        _ => ((char)random.Next('a', 'z')).ToString(),
    }));
}
