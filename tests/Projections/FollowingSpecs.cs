using FlatRender.Contracts;
using FlatRender.EventStore;

namespace FlatRender.Projections.Tests;

/// <summary>How a projection follows history, stops, goes on, and is rebuilt beside itself.</summary>
public sealed class FollowingSpecs : IAsyncLifetime
{
    static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);
    readonly Store _store = new();
    readonly Guid _job = Guid.NewGuid();

    public Task InitializeAsync() => _store.InitializeAsync();
    public Task DisposeAsync() => _store.DisposeAsync();

    Store Database => _store;

    static JobHeld Held(string reason = "wait") => new(new JobId(Guid.Empty), "me", reason);

    async Task<(int Facts, int Streams, int Sum, int Revision)> TablesAsync(string name = "tallied") => (await Database.QueryAsync(
        $"SELECT a.facts, (SELECT count(*)::int FROM {{s}}.{name}_by_stream), (SELECT coalesce(sum(facts), 0)::int FROM {{s}}.{name}_by_stream), a.revision FROM {{s}}.{name}_in_all a",
        r => (r.GetInt32(0), r.GetInt32(1), r.GetInt32(2), r.GetInt32(3)))).Single();

    static async Task<ProjectionStatus> UntilAsync(House house, Func<ProjectionStatus, bool> holds)
    {
        using var patience = new CancellationTokenSource(Patience);
        while (true)
        {
            var status = (await house.Projections.StatusAsync(patience.Token)).Single(s => s.Name == "tallied");
            if (holds(status)) return status;
            await Task.Delay(5, patience.Token);
        }
    }

    /// <summary>Opened, with one fact taken in.</summary>
    async Task<House> OpenedAsync()
    {
        var house = await _store.OpenAsync(new Tallied(Database.Schema));
        await house.WriteAsync(_job, 0, Held());
        await UntilAsync(house, s => s.Behind == 0);
        return house;
    }

    [Fact]
    public async Task What_is_written_is_read_once_waited_for()
    {
        var house = await _store.OpenAsync(new Tallied(Database.Schema));
        await house.WriteAsync(_job, 0, Held(), Held());
        (await house.Projections.WaitForAsync("tallied", _job, 2, Patience, CancellationToken.None)).ShouldBeTrue();
        (await TablesAsync()).ShouldBe((2, 1, 2, 1));
        (await house.Projections.WaitForAsync("tallied", _job, 3, TimeSpan.FromMilliseconds(60), CancellationToken.None)).ShouldBeFalse();
    }

    [Fact]
    public async Task Another_process_sees_that_it_is_up_to_date_and_takes_over_when_the_leader_goes()
    {
        var first = await _store.OpenAsync(new Tallied(Database.Schema));
        await first.WriteAsync(_job, 0, Held());
        await first.Projections.WaitForAsync("tallied", _job, 1, Patience, CancellationToken.None);
        var second = await _store.OpenAsync(new Tallied(Database.Schema));
        (await second.Projections.WaitForAsync("tallied", _job, 1, Patience, CancellationToken.None)).ShouldBeTrue();
        await first.DisposeAsync();
        await second.WriteAsync(_job, 1, Held());
        (await second.Projections.WaitForAsync("tallied", _job, 2, Patience, CancellationToken.None)).ShouldBeTrue();
        (await TablesAsync()).ShouldBe((2, 1, 2, 1));
    }

    [Fact]
    public async Task An_event_that_cannot_be_taken_in_stops_it_there_for_all_to_see_until_it_is_resumed()
    {
        var projection = new Tallied(Database.Schema) { Poison = "poison" };
        var house = await _store.OpenAsync(projection);
        await house.WriteAsync(_job, 0, Held(), Held(), Held("poison"), Held());

        var stopped = await UntilAsync(house, s => s.State == "stopped");
        var poison = (await house.Streams.ReadAsync(_job, 3, 3, CancellationToken.None)).Single();
        stopped.ShouldSatisfyAllConditions(
            () => stopped.Poison.ShouldBe(new Poison(poison.Seq, poison.EventId, _job, 3, "render.job.held.v1", "InvalidOperationException: 'poison' is more than I can take.")),
            () => stopped.Position.ShouldBe(poison.Seq - 1),
            () => stopped.Behind.ShouldBe(2));
        (await TablesAsync()).ShouldBe((2, 1, 2, 1), "everything before it is in, nothing after it");
        await Should.ThrowAsync<ProjectionStoppedException>(() => house.Projections.WaitForAsync("tallied", _job, 4, Patience, CancellationToken.None));

        // Nothing is mended yet: it stops at the same place.
        (await house.Projections.ResumeAsync("tallied", CancellationToken.None)).ShouldBeTrue();
        (await UntilAsync(house, s => s.State == "stopped")).Poison.ShouldBe(stopped.Poison);

        projection.Poison = null;
        await house.Projections.ResumeAsync("tallied", CancellationToken.None);
        (await UntilAsync(house, s => s is { State: "running", Behind: 0 })).Poison.ShouldBeNull();
        (await TablesAsync()).ShouldBe((4, 1, 4, 1));
    }

    [Fact]
    public async Task A_stopped_projection_stays_stopped_when_the_process_starts_again()
    {
        var first = await _store.OpenAsync(new Tallied(Database.Schema) { Poison = "poison" });
        await first.WriteAsync(_job, 0, Held("poison"));
        var stopped = await UntilAsync(first, s => s.State == "stopped");
        await first.DisposeAsync();
        var second = await _store.OpenAsync(new Tallied(Database.Schema));
        (await UntilAsync(second, _ => true)).Poison.ShouldBe(stopped.Poison);
    }

    [Fact]
    public async Task A_tolerant_projection_skips_and_counts_types_it_does_not_know()
    {
        var house = await _store.OpenAsync(new Tallied(Database.Schema, skipsUnknown: true));
        await house.WriteAsync(_job, 0, Held());
        await WriteUnknownAsync(2);
        await house.WriteAsync(_job, 2, Held());
        var status = await UntilAsync(house, s => s.Behind == 0);
        (status.State, status.Skipped).ShouldBe(("running", 1));
        (await TablesAsync()).ShouldBe((2, 1, 2, 1));

        await house.Projections.RebuildHereAsync("tallied", CancellationToken.None);
        (await UntilAsync(house, _ => true)).Skipped.ShouldBe(1, "a rebuild counts anew");
    }

    [Fact]
    public async Task A_strict_projection_stops_at_a_type_it_does_not_know()
    {
        var house = await _store.OpenAsync(new Tallied(Database.Schema, skipsUnknown: false));
        await house.WriteAsync(_job, 0, Held());
        await WriteUnknownAsync(2);
        var status = await UntilAsync(house, s => s.State == "stopped");
        (status.Poison!.Version, status.Poison.Type).ShouldBe((2, "render.job.teleported.v1"));
        status.Poison.Error.ShouldContain("No message is called 'render.job.teleported.v1'");
    }

    [Fact]
    public async Task A_rebuild_beside_writers_ends_where_the_live_one_is()
    {
        var house = await _store.OpenAsync(new Tallied(Database.Schema));
        var jobs = Enumerable.Range(0, 40).Select(_ => Guid.NewGuid()).ToArray();
        foreach (var job in jobs) await house.WriteAsync(job, 0, Held(), Held());
        using var stop = new CancellationTokenSource();
        var writing = Task.Run(async () =>
        {
            var rounds = 0;
            while (!stop.IsCancellationRequested)
                foreach (var job in jobs.Take(10)) await house.WriteAsync(job, 2 + (rounds++ / 10), Held());
            return rounds;
        });

        var events = new List<long>();
        for (var i = 0; i < 5; i++) events.Add((await house.Projections.RebuildHereAsync("tallied", CancellationToken.None)).Events);
        await stop.CancelAsync();
        var written = 80 + await writing;

        await UntilAsync(house, s => s.Behind == 0);
        (await TablesAsync()).ShouldBe((written, 40, written, 1), "each fact once, also those written while it was rebuilt");
        events.ShouldBeInOrder(SortDirection.Ascending);
        (await Database.QueryAsync("SELECT count(*) FROM pg_namespace WHERE nspname = $1", r => r.GetInt64(0), $"{Database.Schema}_tallied_rebuild")).Single().ShouldBe(0);
    }

    [Fact]
    public async Task Readers_see_the_old_tables_or_the_new_and_never_half_of_each()
    {
        var house = await _store.OpenAsync(new Tallied(Database.Schema));
        for (var v = 0; v < 30; v++) await house.WriteAsync(_job, v, Held());
        await UntilAsync(house, s => s.Behind == 0);
        using var stop = new CancellationTokenSource();
        var reading = Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            var read = 0;
            for (; !stop.IsCancellationRequested; read++) (await TablesAsync()).ShouldBe((30, 1, 30, 1));
            return read;
        })).ToArray();
        for (var i = 0; i < 10; i++) await house.Projections.RebuildHereAsync("tallied", CancellationToken.None);
        await stop.CancelAsync();
        (await Task.WhenAll(reading)).Sum().ShouldBeGreaterThan(20);
    }

    [Fact]
    public async Task A_requested_rebuild_is_done_by_whoever_has_the_projection()
    {
        var house = await _store.OpenAsync(new Tallied(Database.Schema));
        var other = await _store.OpenAsync();
        await house.WriteAsync(_job, 0, Held());
        await UntilAsync(house, s => s.Behind == 0);
        await Database.QueryAsync("UPDATE {s}.tallied_in_all SET facts = 77", r => 0);
        (await other.Projections.RequestRebuildAsync("no_such_thing", CancellationToken.None)).ShouldBeFalse();
        (await other.Projections.RequestRebuildAsync("tallied", CancellationToken.None)).ShouldBeTrue();
        await UntilAsync(other, s => s.Rebuild is null);
        (await TablesAsync()).ShouldBe((1, 1, 1, 1));
    }

    [Fact]
    public async Task A_rebuild_that_cannot_be_done_says_why_and_leaves_the_live_tables_alone()
    {
        var projection = new Tallied(Database.Schema);
        var house = await _store.OpenAsync(projection);
        await house.WriteAsync(_job, 0, Held(), Held("poison"));
        await UntilAsync(house, s => s.Behind == 0);
        projection.Poison = "poison";
        await house.Projections.RequestRebuildAsync("tallied", CancellationToken.None);
        var failed = await UntilAsync(house, s => s.Rebuild == "failed");
        failed.RebuildError.ShouldNotBeNull().ShouldContain("'poison' is more than I can take.");
        failed.State.ShouldBe("running");
        (await TablesAsync()).ShouldBe((2, 1, 2, 1));
    }

    [Fact]
    public async Task A_rebuild_frees_a_projection_that_a_mended_fault_had_stopped()
    {
        var projection = new Tallied(Database.Schema) { Poison = "poison" };
        var house = await _store.OpenAsync(projection);
        await house.WriteAsync(_job, 0, Held(), Held("poison"), Held());
        await UntilAsync(house, s => s.State == "stopped");
        projection.Poison = null;
        await house.Projections.RequestRebuildAsync("tallied", CancellationToken.None);
        await UntilAsync(house, s => s is { State: "running", Rebuild: null, Behind: 0 });
        (await TablesAsync()).ShouldBe((3, 1, 3, 1));
    }

    [Fact]
    public async Task A_new_revision_rebuilds_itself()
    {
        var first = await OpenedAsync();
        await first.DisposeAsync();
        var second = await _store.OpenAsync(new Tallied(Database.Schema, revision: 2));
        await UntilAsync(second, s => s is { Revision: 2, State: "running" });
        (await TablesAsync()).ShouldBe((1, 1, 1, 2));
    }

    [Fact]
    public async Task Beside_a_later_version_an_earlier_one_leaves_the_tables_to_it()
    {
        var earlier = await OpenedAsync();
        var later = await _store.OpenAsync(new Tallied(Database.Schema, revision: 2));
        await UntilAsync(later, s => s is { Revision: 2, Rebuild: null });
        for (var version = 1; version < 5; version++)
        {
            await earlier.WriteAsync(_job, version, Held());
            (await UntilAsync(later, s => s.Behind == 0)).Revision.ShouldBe(2);
        }
        (await TablesAsync()).ShouldBe((5, 1, 5, 2));
    }

    [Fact]
    public async Task Who_leads_takes_nothing_into_tables_that_have_become_another_versions()
    {
        var house = await OpenedAsync();
        // As a later version's swap leaves it, at the very position where the leader stands.
        await Database.QueryAsync("UPDATE {s}.projections SET revision = 2 WHERE name = 'tallied'", r => 0);
        await house.WriteAsync(_job, 1, Held());
        (await house.Projections.WaitForAsync("tallied", _job, 2, TimeSpan.FromMilliseconds(300), CancellationToken.None)).ShouldBeFalse();
        (await TablesAsync()).Facts.ShouldBe(1);
        await Database.QueryAsync("UPDATE {s}.projections SET revision = 1 WHERE name = 'tallied'", r => 0);
        await UntilAsync(house, s => s.Behind == 0);
        (await TablesAsync()).Facts.ShouldBe(2);
    }

    [Fact]
    public async Task A_rebuild_whose_process_died_begins_again()
    {
        var house = await OpenedAsync();
        // What a killed process leaves: the mark, and half-filled tables.
        await Database.QueryAsync($"CREATE SCHEMA {Database.Schema}_tallied_rebuild", r => 0);
        await Database.QueryAsync($"CREATE TABLE {Database.Schema}_tallied_rebuild.tallied_in_all (half int)", r => 0);
        await Database.QueryAsync("UPDATE {s}.projections SET rebuild = 'building' WHERE name = 'tallied'", r => 0);
        await UntilAsync(house, s => s.Rebuild is null);
        (await TablesAsync()).ShouldBe((1, 1, 1, 1));
    }

    Task WriteUnknownAsync(long version) => Database.QueryAsync("""
        WITH s AS (UPDATE {s}.mt_streams SET version = $2 WHERE id = $1)
        INSERT INTO {s}.mt_events (seq_id, id, stream_id, version, data, type) VALUES (nextval('{s}.mt_events_sequence'), gen_random_uuid(), $1, $2, '{}', 'render.job.teleported.v1')
        """, r => 0, _job, version);
}
