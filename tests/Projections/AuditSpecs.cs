using System.Text.Json;
using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.Sagas;
using Microsoft.Extensions.DependencyInjection;

namespace FlatRender.Projections.Tests;

/// <summary>Nothing in the store can be changed unnoticed; what was can be shown again.</summary>
public sealed class AuditSpecs : IAsyncLifetime
{
    readonly Store _store = new();
    House _house = null!;
    JobId _job;
    Guid Job => _job.Value;

    public async Task InitializeAsync()
    {
        await _store.InitializeAsync();
        _house = await _store.OpenAsync();
        var renders = new Renders(_house);
        for (var i = 0; i < 3; i++) await renders.FilmAsync(i);
        _job = await renders.FilmAsync(3);
        await renders.WildAsync(new Random(7), 25);
    }

    public Task DisposeAsync() => _store.DisposeAsync();

    async Task<string[]> FoundAsync(Since? since = null)
    {
        var report = await _house.Audit.VerifyAsync(since ?? Since.Ever, CancellationToken.None);
        report.Findings.ShouldAllBe(f => f.StreamId == Job, "what is sound is not accused");
        return [.. report.Findings.Select(f => $"{f.Code} {f.Version}").Order()];
    }

    [Fact]
    public async Task A_sound_store_is_found_sound()
    {
        var report = await _house.Audit.VerifyAsync(Since.Ever, CancellationToken.None);
        report.ShouldSatisfyAllConditions(() => report.Findings.ShouldBeEmpty(), () => report.IsSound.ShouldBeTrue(), () => report.Streams.ShouldBe(5), () => report.Events.ShouldBeGreaterThan(30));
    }

    [Theory]
    // One byte of one member; the memory agrees or not, the chain tells in any case.
    [InlineData("data = jsonb_set(data, '{reason}', to_jsonb(replace(data->>'reason', 'corrupt', 'corrupu')))", 4, "hash_broken 4")]
    [InlineData("data = jsonb_set(data, '{attempt}', '2')", 4, "hash_broken 4", "memory_differs ", "path_illegal 4")]
    [InlineData("data = data || '{\"new\": null}'", 4, "hash_broken 4")]
    [InlineData("headers = jsonb_set(headers, '{actor}', '\"somebody else\"')", 4, "hash_broken 4")]
    [InlineData("headers = headers - 'hash'", 4, "hash_broken 4", "hash_broken 5")]
    [InlineData("headers = jsonb_set(headers, '{hash}', to_jsonb(translate(headers->>'hash', '0123456789abcdef', '123456789abcdef0')))", 4, "hash_broken 4", "hash_broken 5")]
    [InlineData("headers = jsonb_set(headers, '{hash}', '\"not a hash\"')", 4, "hash_broken 4", "hash_broken 5")]
    [InlineData("headers = '[]'", 4, "hash_broken 4", "hash_broken 5")]
    [InlineData("headers = NULL", 4, "hash_broken 4", "hash_broken 5")]
    [InlineData("headers = (repeat('[', 70) || repeat(']', 70))::jsonb", 4, "hash_broken 4", "hash_broken 5")]
    [InlineData("data = 'null'", 4, "fact_unreadable 4", "hash_broken 4")]
    [InlineData("data = (repeat('[', 70) || repeat(']', 70))::jsonb", 4, "fact_unreadable 4", "hash_broken 4")]
    [InlineData("type = 'render.job.cancelled.v1'", 4, "hash_broken 4", "memory_differs ", "path_illegal 5")]
    [InlineData("type = 'render.job.teleported.v1'", 4, "fact_unreadable 4", "hash_broken 4")]
    [InlineData("timestamp = timestamp + interval '1 microsecond'", 4, "hash_broken 4")]
    [InlineData("id = gen_random_uuid()", 4, "hash_broken 4")]
    [InlineData("version = 40", 7, "hash_broken 40", "stream_differs ", "version_missing 7")]
    [InlineData("seq_id = 100000", 4, "order_broken 5")]
    // What no hash covers, and Marten reads.
    [InlineData("tenant_id = 'another'", 4, "row_changed 4")]
    [InlineData("tenant_id = NULL", 4, "row_changed 4")]
    [InlineData("is_archived = TRUE", 4, "row_changed 4")]
    [InlineData("bdata = 'x'", 4, "row_changed 4")]
    [InlineData("mt_dotnet_type = 'FlatRender.Contracts.JobDone, FlatRender.Contracts'", 4, "row_changed 4")]
    public async Task A_changed_fact_is_found_and_named(string change, int version, params string[] found)
    {
        await _store.RunAsync($"UPDATE {{s}}.mt_events SET {change} WHERE stream_id = $1 AND version = $2", Job, version);
        (await FoundAsync()).ShouldBe(found);
    }

    [Theory]
    [InlineData("tenant_id = 'another'")]
    [InlineData("is_archived = TRUE")]
    [InlineData("version = 6")]
    [InlineData("version = 8", "version_missing 8")]
    [InlineData("type = 'node'")]
    [InlineData("type = NULL")]
    public async Task A_changed_row_of_a_stream_is_found(string change, string found = "stream_differs ")
    {
        await _store.RunAsync($"UPDATE {{s}}.mt_streams SET {change} WHERE id = $1", Job);
        (await FoundAsync()).ShouldBe([found]);
    }

    [Theory]
    [InlineData("'[]'")]
    [InlineData("'null'")]
    [InlineData("'\"Done\"'")]
    [InlineData("jsonb_build_object('deep', (repeat('[', 70) || repeat(']', 70))::jsonb)")]
    public async Task A_memory_that_is_none_is_found(string memory)
    {
        await _store.RunAsync($"UPDATE {{s}}.mt_doc_renderjob SET data = {memory} WHERE id = $1", Job);
        (await FoundAsync()).ShouldBe(["memory_differs "]);
    }

    [Fact]
    public async Task A_kind_whose_fold_stumbles_over_what_is_missing_ends_no_search()
    {
        var audit = new Audit(_house.Services.GetRequiredService<EventStoreOptions>(), [LegalPath.Kind, StreamKind.OfFacts<Ledger>("ledger", (_, _) => null)], TimeProvider.System);
        var ledger = Guid.NewGuid();
        await _house.Streams.AppendAsync(ledger, "ledger", 0, [new JobHeld(_job, "me", "one"), new JobReleased(_job, "me", "one")], "test", CancellationToken.None);
        (await audit.VerifyAsync(Since.Ever, CancellationToken.None)).IsSound.ShouldBeTrue();

        await _store.RunAsync("DELETE FROM {s}.mt_events WHERE stream_id = $1 AND version = 1", ledger);
        await _store.RunAsync("UPDATE {s}.mt_events SET data = data || '{\"new\": null}' WHERE stream_id = $1 AND version = 4", Job);
        (await audit.VerifyAsync(Since.Ever, CancellationToken.None)).Findings.Select(f => $"{(f.StreamId == ledger ? "ledger" : "job")} {f.Code} {f.Version}").ShouldBe(
            ["ledger version_missing 1", "ledger hash_broken 2", "ledger fact_unreadable 2", "job hash_broken 4"], ignoreOrder: true);
    }

    /// <summary>Lets go only of what it holds, as a purse does.</summary>
    sealed record Ledger(Guid Id) : IMemory<Ledger>
    {
        public string State => "open";
        public System.Collections.Immutable.ImmutableDictionary<string, string> Held { get; init; } = System.Collections.Immutable.ImmutableDictionary<string, string>.Empty;
        public static Ledger Unborn(Guid id) => new(id);
        public Ledger Apply(object fact) => fact switch
        {
            JobHeld held => this with { Held = Held.Add(held.Reason, held.By) },
            JobReleased released => this with { Held = Held.Remove(Held[released.Reason] is null ? "" : released.Reason) },
            _ => this,
        };
    }

    [Fact]
    public async Task Time_travel_leaves_nothing_out_where_the_clocks_of_two_machines_differ()
    {
        var facts = await _house.Streams.ReadAsync(Job, CancellationToken.None);
        await _store.RunAsync("UPDATE {s}.mt_events SET timestamp = $2 WHERE stream_id = $1 AND version = 3", Job, facts[^1].Timestamp.AddHours(1));
        var then = (await _house.Audit.ReplayAsync(Job, null, facts[^1].Timestamp, CancellationToken.None))!;
        then.Facts.Select(f => f.Version).ShouldBe([1, 2]);
        (await _house.Audit.ReplayAsync(Job, null, facts[^1].Timestamp.AddHours(1), CancellationToken.None))!.Version.ShouldBe(7);
    }

    [Fact]
    public async Task What_Marten_wrote_under_its_own_name_for_a_fact_is_not_accused()
    {
        await _store.RunAsync("UPDATE {s}.mt_events SET mt_dotnet_type = 'FlatRender.Contracts.JobQueued, FlatRender.Contracts' WHERE stream_id = $1 AND version = 1", Job);
        (await FoundAsync()).ShouldBeEmpty();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public async Task A_removed_fact_is_found_and_named(int version)
    {
        await _store.RunAsync("DELETE FROM {s}.mt_events WHERE stream_id = $1 AND version = $2", Job, version);
        var found = await FoundAsync();
        found.ShouldContain($"version_missing {version}");
        found.ShouldContain($"hash_broken {version + 1}");
    }

    [Fact]
    public async Task A_last_fact_that_is_cut_off_is_found_even_where_the_row_of_the_stream_was_changed_too()
    {
        await _store.RunAsync("DELETE FROM {s}.mt_events WHERE stream_id = $1 AND version = 7", Job);
        (await FoundAsync()).ShouldBe(["memory_differs ", "version_missing 7"]);
        await _store.RunAsync("UPDATE {s}.mt_streams SET version = 6 WHERE id = $1", Job);
        (await FoundAsync()).ShouldBe(["memory_differs "]);
    }

    [Fact]
    public async Task Two_facts_that_changed_places_are_found_and_named()
    {
        foreach (var (from, to) in new[] { (4, 400), (5, 4), (400, 5) })
            await _store.RunAsync("UPDATE {s}.mt_events SET version = $3 WHERE stream_id = $1 AND version = $2", Job, from, to);
        var found = await FoundAsync();
        found.ShouldContain("hash_broken 4");
        found.ShouldContain("hash_broken 5");
        found.ShouldContain("order_broken 5");
    }

    [Theory]
    [InlineData("data = jsonb_set(data, '{compute_seconds}', '1')", "memory_differs ")]
    [InlineData("data = jsonb_set(data, '{title}', '\"Another\"')", "memory_differs ")]
    [InlineData("data = data || '{\"extra\": 1}'", "memory_differs ")]
    public async Task A_changed_memory_is_found_and_says_what_it_must_be(string change, string found)
    {
        await _store.RunAsync($"UPDATE {{s}}.mt_doc_renderjob SET {change} WHERE id = $1", Job);
        (await FoundAsync()).ShouldBe([found]);
        (await _house.Audit.VerifyAsync(Since.Ever, CancellationToken.None)).Findings.Single().Detail.ShouldContain("must be");
    }

    [Fact]
    public async Task A_memory_without_a_stream_and_a_stream_without_a_memory_are_found()
    {
        await _store.RunAsync("DELETE FROM {s}.mt_doc_renderjob WHERE id = $1", Job);
        (await FoundAsync()).ShouldBe(["memory_missing "]);
        await _store.RunAsync("DELETE FROM {s}.mt_events WHERE stream_id = $1", Job);
        await _store.RunAsync("DELETE FROM {s}.mt_streams WHERE id = $1", Job);
        await _store.RunAsync("INSERT INTO {s}.mt_doc_renderjob (id, data) VALUES ($1, '{}')", Job);
        (await FoundAsync()).ShouldBe(["memory_orphaned "]);
    }

    [Fact]
    public async Task A_forged_history_whose_hashes_hold_is_found_where_it_is_no_legal_path()
    {
        // Written through the store itself: chain, versions and order are right. Only the machine would never have done it.
        await _house.WriteAsync(Job, 7, new JobCancelled(_job, DateTimeOffset.UnixEpoch, 100, "me", "a film that is done"));
        (await FoundAsync()).ShouldBe(["memory_differs ", "path_illegal 8"]);
    }

    [Fact]
    public async Task Since_looks_only_at_streams_with_facts_since_then()
    {
        var last = (await _store.QueryAsync("SELECT max(seq_id) FROM {s}.mt_events WHERE stream_id = $1", r => r.GetInt64(0), Job)).Single();
        await _store.RunAsync("UPDATE {s}.mt_events SET data = '{}' WHERE stream_id = $1 AND version = 1", Job);
        (await FoundAsync(new Since(last, null))).ShouldContain("hash_broken 1");
        (await FoundAsync(new Since(last + 1, null))).ShouldBeEmpty();
        (await FoundAsync(new Since(null, DateTimeOffset.UtcNow.AddHours(-1)))).ShouldContain("hash_broken 1");
        (await _house.Audit.VerifyAsync(new Since(null, DateTimeOffset.UtcNow.AddHours(1)), CancellationToken.None)).Streams.ShouldBe(0);
    }

    [Fact]
    public async Task A_render_is_replayed_to_any_version_and_any_time()
    {
        var facts = await _house.Streams.ReadAsync(Job, CancellationToken.None);
        foreach (var fact in facts)
        {
            var byVersion = (await _house.Audit.ReplayAsync(Job, fact.Version, null, CancellationToken.None))!;
            var folded = (await _house.Streams.FoldAsync<RenderJob>(Job, fact.Version, CancellationToken.None))!;
            JsonSerializer.Deserialize<RenderJob>(byVersion.Memory, Wire.Json).ShouldBe(folded);
            (byVersion.Version, byVersion.Facts.Count).ShouldBe((fact.Version, (int)fact.Version));
            (await _house.Audit.ReplayAsync(Job, null, fact.Timestamp, CancellationToken.None))!.Version.ShouldBeGreaterThanOrEqualTo(fact.Version);
        }
        (await _house.Audit.ReplayAsync(Job, null, null, CancellationToken.None))!.Version.ShouldBe(7);
        (await _house.Audit.ReplayAsync(Job, null, facts[0].Timestamp.AddTicks(-10), CancellationToken.None)).ShouldBeNull();
        (await _house.Audit.ReplayAsync(Guid.Empty, null, null, CancellationToken.None)).ShouldBeNull();
    }

    [Fact]
    public async Task An_export_holds_every_fact_once_and_its_chain_can_be_checked_from_it_alone()
    {
        using var all = new MemoryStream();
        var count = await _house.Audit.ExportAsync(null, all, CancellationToken.None);
        var lines = System.Text.Encoding.UTF8.GetString(all.ToArray()).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => JsonDocument.Parse(l).RootElement).ToArray();
        lines.Length.ShouldBe((int)count);
        lines.Select(l => l.GetProperty("seq").GetInt64()).ShouldBeInOrder();
        foreach (var stream in lines.GroupBy(l => l.GetProperty("stream_id").GetGuid()))
        {
            string? hash = null;
            foreach (var e in stream.Select(Event))
            {
                Chain.Holds(hash, e).ShouldBeTrue();
                hash = e.Header("hash");
            }
        }

        using var one = new MemoryStream();
        (await _house.Audit.ExportAsync(Job, one, CancellationToken.None)).ShouldBe(7);

        static RecordedEvent Event(JsonElement l) => new(l.GetProperty("seq").GetInt64(), l.GetProperty("event_id").GetGuid(), l.GetProperty("stream_id").GetGuid(), l.GetProperty("version").GetInt64(),
            l.GetProperty("type").GetString()!, l.GetProperty("data").GetRawText(), l.GetProperty("timestamp").GetDateTimeOffset(), l.GetProperty("headers").GetRawText());
    }
}
