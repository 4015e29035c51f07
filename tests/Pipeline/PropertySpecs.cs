using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.TestKit;
using FsCheck;
using FsCheck.Fluent;
using MassTransit;

namespace FlatRender.Pipeline.Tests;

/// <summary>Whatever arrives, in whatever order, however often: the promises of the pipeline that hold for every life of a render.</summary>
public sealed class PropertySpecs(DatabaseOfThisClass own) : IClassFixture<DatabaseOfThisClass>
{
    /// <summary>One thing that happens. Orders are given as how far they lie behind (or before) the present one; reminders are those that really wait in the agenda.</summary>
    public sealed record Event(string Kind, int Behind, bool Late, int Times)
    {
        public override string ToString() => $"{Kind}{(Behind == 0 ? "" : $" of order {-Behind:+#;-#}")}{(Late ? " late" : "")}{(Times > 1 ? " twice" : "")}";
    }

    static readonly string[] Waiting = [Step.Queued, Step.Rendering, Step.Validating, Step.Repair];

    static readonly HashSet<(string From, string To)> Legal =
    [
        ("", Step.Queued), (Step.Queued, Step.Rendering), (Step.Queued, Step.Validating), (Step.Rendering, Step.Validating), (Step.Validating, Step.Repair), (Step.Validating, Step.Done), (Step.Repair, Step.Validating), (Step.Failed, Step.Queued),
        .. Waiting.Select(from => (from, Step.Failed)), .. Waiting.Select(from => (from, Step.Cancelled)), .. Waiting.Select(from => (from, from)),
    ];

    // Weighted so that many lives get far; a cancel ends most of what follows.
    static readonly Gen<Event> Happening = Gen.Frequency(
        (2, Kind("submit")), (8, Kind("started")), (12, Kind("rendered")), (12, Kind("accepted")), (8, Kind("rejected")), (12, Kind("film")), (4, Kind("film rejected")),
        (1, Kind("renderer failed")), (1, Kind("cancel")), (4, Kind("retry")), (2, Kind("hold")), (2, Kind("release")), (8, Kind("reminder")), (3, Kind("stray reminder")));

    static Gen<Event> Kind(string kind) =>
        from behind in Gen.Frequency((7, Gen.Constant(0)), (1, Gen.Constant(1)), (1, Gen.Constant(2)), (1, Gen.Constant(-1)))
        from late in Gen.Elements(true, false)
        from times in Gen.Frequency((4, Gen.Constant(1)), (1, Gen.Constant(2)))
        select new Event(kind, behind, late, times);

    [Fact]
    public void Any_sequence_of_any_messages_leaves_a_legal_life_with_its_memory_a_fold_and_no_wait_without_a_reminder()
    {
        var lives = Arb.From(Happening.ListOf(30).Select(events => events.Prepend(new Event("submit", 0, false, 1)).ToArray()));
        Prop.ForAll(lives, LiveAsync).Check(Config.QuickThrowOnFailure.WithMaxTest(15));
    }

    async Task LiveAsync(Event[] events)
    {
        await using var it = new RenderScenario(own.Database);
        var before = await StandAsync(it);
        foreach (var happening in events)
            foreach (var message in Enumerable.Repeat(await MessageAsync(it, happening), happening.Times))
            {
                if (message is null) continue;
                var refused = await Record.ExceptionAsync(() => it.When(message)) is not null;
                var now = await StandAsync(it);
                if (refused) now.ShouldBe(before, $"{happening} was refused and must leave no trace");
                if (now.Version > before.Version) Legal.ShouldContain((before.State, now.State), $"{happening}");
                else now.State.ShouldBe(before.State);
                if (Waiting.Contains(now.State)) (await it.RemindersAsync()).ShouldNotBeEmpty($"{now.State} after {happening} waits without a reminder");
                await it.ThenMemoryIsTheFold();
                before = now;
            }
    }

    async Task<(string State, long Version, long Agenda)> StandAsync(RenderScenario it) => (
        await it.StateAsync(),
        (await own.Database.QueryAsync("SELECT version FROM {s}.mt_streams WHERE id = $1", r => r.GetInt64(0), it.Id.Value)).SingleOrDefault(),
        (await own.Database.QueryAsync("SELECT coalesce(max(id), 0) FROM {s}.agenda WHERE stream_id = $1", r => r.GetInt64(0), it.Id.Value)).Single());

    async Task<object?> MessageAsync(RenderScenario it, Event happening)
    {
        var id = it.Id;
        var order = (await it.StateAsync() == "" ? 1 : (await it.JobAsync()).Order) - happening.Behind;
        return happening.Kind switch
        {
            "submit" => Lives.Submit(id),
            "started" => new WorkStarted(id, order, Lives.Node),
            "rendered" => new FramesRendered(id, order, 1),
            "accepted" => new FramesAccepted(id, order),
            "rejected" => new FramesRejected(id, order, [3], [5, 6], "bad"),
            "film" => new FilmAccepted(id, order, Lives.Film),
            "film rejected" => new FilmRejected(id, order, [], [7], "bad"),
            "renderer failed" => new RendererFailed(id, order, "AE_REPEATED_CRASH", "crashed"),
            "cancel" => Lives.Cancel(id),
            "retry" => new RetryRender(id, "support", "again"),
            "hold" => new HoldRender(id, "support", "look"),
            "release" => new ReleaseRender(id, "support", "go on"),
            "stray reminder" => new ValidationOverdue(id, order, it.Clock.GetUtcNow()),
            _ => await ReminderAsync(it, happening.Late),
        };
    }

    /// <summary>Takes the newest reminder out of the agenda, as the relay does; early (woken by a restart) or when it is due.</summary>
    async Task<object?> ReminderAsync(RenderScenario it, bool late)
    {
        var taken = await own.Database.QueryAsync(
            "DELETE FROM {s}.agenda WHERE id = (SELECT max(id) FROM {s}.agenda WHERE stream_id = $1 AND kind = 'remind') RETURNING type, data::text", r => (r.GetString(0), r.GetString(1)), it.Id.Value);
        if (taken.Count == 0) return null;
        var reminder = (IReminder)Vocabulary.All.Read(taken[0].Item1, taken[0].Item2);
        if (late && reminder.Due > it.Clock.GetUtcNow()) it.Clock.Advance(reminder.Due - it.Clock.GetUtcNow());
        return reminder;
    }
}
