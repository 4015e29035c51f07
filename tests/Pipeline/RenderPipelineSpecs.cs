using FlatRender.Contracts;
using FlatRender.TestKit;
using MassTransit;

namespace FlatRender.Pipeline.Tests;

/// <summary>The law of the pipeline: each row of its table, each lateness it expects, each thing it refuses.</summary>
public sealed class RenderPipelineSpecs(DatabaseOfThisClass own) : IClassFixture<DatabaseOfThisClass>, IAsyncLifetime
{
    readonly TestDatabase _database = own.Database;
    readonly RenderScenario it = new(own.Database);
    JobId Id => it.Id;

    public Task InitializeAsync() => Task.CompletedTask;

    public Task DisposeAsync() => it.DisposeAsync().AsTask();

    static readonly NodeId Node = Lives.Node;
    static readonly FilmFile Film = Lives.Film;

    SubmitRender Submit => Lives.Submit(Id);
    CancelRender Cancel => Lives.Cancel(Id);
    FramesRejected Rejected(int order) => Lives.Rejected(Id, order);
    DateTimeOffset Due => it.Clock.GetUtcNow();
    DateTimeOffset Later => it.Clock.GetUtcNow().AddHours(1);
    object[] In(string state) => Lives.UpTo(state, Id);

    public static TheoryData<string> AtWork => ["Queued", "Rendering", "Validating", "Assembling", "Repair"];

    [Fact]
    public async Task A_submitted_render_is_queued_and_its_frames_are_planned()
    {
        await it.When(Submit);
        await it.Then("Queued", recorded: ["render.job.queued.v1"], asked: ["ask.plan_frames", "remind.queue_overdue"]);
    }

    [Fact]
    public async Task The_first_lease_starts_the_rendering()
    {
        await it.Given(In("Queued"));
        await it.When(new WorkStarted(Id, 1, Node));
        await it.Then("Rendering", recorded: ["render.job.rendering.v1"], asked: ["remind.rendering_stalled"]);
    }

    [Fact]
    public async Task Rendered_frames_are_validated()
    {
        await it.Given(In("Rendering"));
        await it.When(new FramesRendered(Id, 1, 3.5));
        await it.Then("Validating", recorded: ["render.job.validating.v1"], asked: ["ask.validate_frames", "remind.validation_overdue"]);
    }

    [Fact]
    public async Task Frames_that_are_in_before_the_word_that_work_began_pass_through_rendering()
    {
        await it.Given(In("Queued"));
        await it.When(new FramesRendered(Id, 1, 3.5));
        await it.Then("Validating", recorded: ["render.job.rendering.v1", "render.job.validating.v1"], asked: ["ask.validate_frames", "remind.validation_overdue"]);
    }

    [Fact]
    public async Task Accepted_frames_are_assembled()
    {
        await it.Given(In("Validating"));
        await it.When(new FramesAccepted(Id, 2));
        await it.Then("Validating", recorded: ["render.job.frames_accepted.v1"], asked: ["ask.assemble_film", "remind.validation_overdue"]);
    }

    [Fact]
    public async Task An_accepted_film_is_delivered_and_paid_for()
    {
        await it.Given(In("Assembling"));
        await it.When(new FilmAccepted(Id, 3, Film));
        await it.Then("Done", recorded: ["render.job.done.v1"], asked: ["ask.capture_credits"]);
        (await it.JobAsync()).Result.ShouldBe(Film);
    }

    [Fact]
    public async Task Rejected_frames_are_repaired_by_name()
    {
        await it.Given(In("Validating"));
        await it.When(Rejected(2));
        await it.Then("Repair", recorded: ["render.job.repair.v1"], asked: ["ask.repair_frames", "remind.repair_stalled"]);
        var job = await it.JobAsync();
        (job.Repairs, string.Join(",", job.MissingFrames), string.Join(",", job.CorruptFrames)).ShouldBe((1, "3,4", "17"));
    }

    [Fact]
    public async Task Repaired_frames_are_validated_again()
    {
        await it.Given(In("Repair"));
        await it.When(new FramesRendered(Id, 3, 4.0));
        await it.Then("Validating", recorded: ["render.job.validating.v1"], asked: ["ask.validate_frames", "remind.validation_overdue"]);
    }

    [Fact]
    public async Task Frames_that_stay_bad_after_the_last_repair_fail_the_render_with_a_refund()
    {
        await it.Given([.. In("Repair"), new FramesRendered(Id, 3, 4), Rejected(4), new FramesRendered(Id, 5, 5)]);
        await it.When(Rejected(6));
        await it.Then("Failed", recorded: ["render.job.failed.v1"], asked: ["ask.stop_work", "ask.refund_credits"]);
        (await it.JobAsync()).ErrorCode.ShouldBe("FRAMES_UNREPAIRABLE");
    }

    [Fact]
    public async Task A_film_that_does_not_match_its_frames_is_repaired()
    {
        await it.Given(In("Assembling"));
        await it.When(new FilmRejected(Id, 3, [], [100], "frame 100 is not as drawn"));
        await it.Then("Repair", recorded: ["render.job.repair.v1"], asked: ["ask.repair_frames", "remind.repair_stalled"]);
    }

    [Theory]
    [InlineData("Queued", 1)]
    [InlineData("Rendering", 1)]
    [InlineData("Validating", 2)]
    [InlineData("Repair", 3)]
    public async Task A_renderer_that_gives_up_fails_the_render_from_any_working_state(string state, int order)
    {
        await it.Given(In(state));
        await it.When(new RendererFailed(Id, order, "AE_REPEATED_CRASH", "it crashed three times"));
        await it.Then("Failed", recorded: ["render.job.failed.v1"], asked: ["ask.stop_work", "ask.refund_credits"]);
        var job = await it.JobAsync();
        (job.ErrorCode, job.Reason).ShouldBe(("AE_REPEATED_CRASH", "it crashed three times"));
    }

    [Theory]
    [MemberData(nameof(AtWork))]
    public async Task A_render_can_be_cancelled_while_it_is_worked_on(string state)
    {
        await it.Given(In(state));
        await it.When(Cancel);
        await it.Then("Cancelled", recorded: ["render.job.cancelled.v1"], asked: ["ask.stop_work", "ask.refund_credits"]);
    }

    [Fact]
    public async Task A_failed_render_can_be_retried_and_starts_with_fresh_repairs()
    {
        await it.Given([.. In("Repair"), new RendererFailed(Id, 3, "ENCODER_FAILED", "no space left")]);
        await it.When(new RetryRender(Id, "support", "the disk was full"));
        await it.Then("Queued", recorded: ["render.job.requeued.v1"], asked: ["ask.plan_frames", "remind.queue_overdue"]);
        (await it.JobAsync()).Repairs.ShouldBe(0);
    }

    [Fact]
    public async Task Holding_and_releasing_are_facts_that_change_no_state()
    {
        await it.Given(In("Rendering"));
        await it.When(new HoldRender(Id, "support", "a complaint"));
        await it.Then("Rendering", recorded: ["render.job.held.v1"], asked: ["ask.hold_work"]);
        await it.When(new ReleaseRender(Id, "support", "settled"));
        await it.Then("Rendering", recorded: ["render.job.released.v1"], asked: ["ask.release_work"]);
    }

    [Theory]
    [InlineData("Queued", "render.job.requeued.v1", "ask.plan_frames", "remind.queue_overdue")]
    [InlineData("Rendering", "render.job.rendering.v1", "ask.resume_frames", "remind.rendering_stalled")]
    [InlineData("Validating", "render.job.validating.v1", "ask.validate_frames", "remind.validation_overdue")]
    [InlineData("Assembling", "render.job.frames_accepted.v1", "ask.assemble_film", "remind.validation_overdue")]
    [InlineData("Repair", "render.job.repair.v1", "ask.repair_frames", "remind.repair_stalled")]
    public async Task A_wait_that_runs_out_asks_again_and_says_so(string state, string fact, string ask, string reminder)
    {
        await it.Given(In(state));
        await it.When(Reminder(state, late: true));
        await it.Then(state == "Assembling" ? "Validating" : state, recorded: [fact], asked: [ask, reminder]);
        (await it.JobAsync()).Stalls.ShouldBe(1);
    }

    [Theory]
    [InlineData("Queued", "QUEUE_OVERDUE")]
    [InlineData("Rendering", "RENDERING_STALLED")]
    [InlineData("Validating", "VALIDATION_OVERDUE")]
    [InlineData("Assembling", "VALIDATION_OVERDUE")]
    [InlineData("Repair", "REPAIR_STALLED")]
    public async Task A_wait_that_keeps_running_out_fails_the_render_with_a_reason(string state, string code)
    {
        await it.Given(In(state));
        await RemindedAsync(state, late: true, times: 2);
        await it.When(Reminder(state, late: true, (await it.JobAsync()).Order));
        await it.Then("Failed", recorded: ["render.job.failed.v1"], asked: ["ask.stop_work", "ask.refund_credits"]);
        (await it.JobAsync()).ErrorCode.ShouldBe(code);
    }

    [Fact]
    public async Task A_reminder_that_another_machines_clock_sends_a_moment_early_is_late_all_the_same()
    {
        await it.Given(In("Validating"));
        await it.When(new ValidationOverdue(Id, 2, Due.AddMilliseconds(50)));
        var job = await it.JobAsync();
        (job.Stalls, job.Reason).ShouldBe((1, "not all frames are checked yet; asked again"));
    }

    [Theory]
    [MemberData(nameof(AtWork))]
    public async Task What_is_held_waits_as_long_as_it_is_held_and_has_all_its_patience_afterwards(string state)
    {
        await it.Given([.. In(state), new HoldRender(Id, "support", "a complaint")]);
        await RemindedAsync(state, late: true, times: 6);
        var job = await it.JobAsync();
        (job.State, job.Stalls, job.Reason!.EndsWith("it is held; asked again", StringComparison.Ordinal)).ShouldBe((state == "Assembling" ? "Validating" : state, 0, true));

        await it.Given(new ReleaseRender(Id, "support", "it was none"));
        await RemindedAsync(state, late: true, times: 3);
        (await it.JobAsync()).State.ShouldBe("Failed");
    }

    [Theory]
    [MemberData(nameof(AtWork))]
    public async Task Restarts_ask_again_as_often_as_they_like_without_using_up_patience(string state)
    {
        await it.Given(In(state));
        await RemindedAsync(state, late: false, times: 6);
        var job = await it.JobAsync();
        (job.State, job.Stalls, job.Reason).ShouldBe((state == "Assembling" ? "Validating" : state, 0, "asked again after a restart"));
    }

    [Theory]
    [MemberData(nameof(AtWork))]
    public async Task No_wait_is_without_a_reminder(string state)
    {
        await it.Given(In(state));
        (await it.RemindersAsync()).ShouldContain(Vocabulary.All.NameOf(Reminder(state, late: true).GetType()));
    }

    [Fact]
    public async Task An_answer_to_an_older_order_changes_nothing()
    {
        await it.Given([.. In("Repair"), new FramesRendered(Id, 3, 4)]);
        foreach (var stale in new object[] { new FramesAccepted(Id, 2), Rejected(2), new FramesRendered(Id, 3, 4), new RendererFailed(Id, 3, "X", "x"), new ValidationOverdue(Id, 2, Due), new FilmAccepted(Id, 2, Film), new FilmRejected(Id, 3, [], [], "x") })
        {
            await it.When(stale);
            await it.Then("Validating");
        }
    }

    [Theory]
    [InlineData("Done")]
    [InlineData("Failed")]
    [InlineData("Cancelled")]
    public async Task What_comes_after_the_end_changes_nothing(string state)
    {
        await it.Given(In(state));
        var order = (await it.JobAsync()).Order;
        object[] late =
        [
            Submit, Cancel, new HoldRender(Id, "s", "r"), new ReleaseRender(Id, "s", "r"), new WorkStarted(Id, order, Node), new FramesRendered(Id, order, 1), new FramesAccepted(Id, order), Rejected(order),
            new FilmAccepted(Id, order, Film), new FilmRejected(Id, order, [], [], "x"), new RendererFailed(Id, order, "X", "x"),
            new QueueOverdue(Id, order, Due), new RenderingStalled(Id, order, Due), new ValidationOverdue(Id, order, Due), new RepairStalled(Id, order, Due),
        ];
        foreach (var message in state == "Failed" ? late : [.. late, new RetryRender(Id, "s", "r")])
        {
            await it.When(message);
            await it.Then(state);
        }
    }

    [Fact]
    public async Task Every_command_sent_twice_changes_nothing_the_second_time()
    {
        foreach (var message in (object[])[.. In("Done")[..1], new HoldRender(Id, "s", "r"), new ReleaseRender(Id, "s", "r"), .. In("Done")[1..]])
        {
            await it.Given(message);
            var state = await it.StateAsync();
            await it.When(message);
            await it.Then(state);
        }
    }

    [Fact]
    public async Task An_impossible_message_is_refused_and_leaves_no_trace()
    {
        await it.Given(In("Queued"));
        await Should.ThrowAsync<NotAcceptedStateMachineException>(() => it.When(new FilmAccepted(Id, 1, Film)));
        await it.Then("Queued");
    }

    [Fact]
    public async Task A_verdict_on_a_film_that_nobody_assembles_is_refused()
    {
        await it.Given(In("Validating"));
        foreach (var verdict in new object[] { new FilmAccepted(Id, 2, Film), new FilmRejected(Id, 2, [], [7], "x") })
        {
            await Should.ThrowAsync<NotAcceptedStateMachineException>(() => it.When(verdict));
            await it.Then("Validating");
        }
    }

    [Fact]
    public async Task A_second_verdict_on_frames_is_refused_while_their_film_is_assembled()
    {
        await it.Given(In("Assembling"));
        foreach (var verdict in new object[] { new FramesAccepted(Id, 3), Rejected(3) })
        {
            await Should.ThrowAsync<NotAcceptedStateMachineException>(() => it.When(verdict));
            await it.Then("Validating");
        }
    }

    [Theory]
    [MemberData(nameof(AtWork))]
    public async Task An_answer_to_an_order_that_was_never_given_is_refused(string state)
    {
        await it.Given(In(state));
        var next = (await it.JobAsync()).Order + 1;
        foreach (var answer in new object[] { new FramesRendered(Id, next, 1), new FramesAccepted(Id, next), Rejected(next), new FilmAccepted(Id, next, Film), new FilmRejected(Id, next, [], [], "x"), new RendererFailed(Id, next, "X", "x") })
        {
            await Should.ThrowAsync<NotAcceptedStateMachineException>(() => it.When(answer));
            await it.Then(state == "Assembling" ? "Validating" : state);
        }
    }

    [Fact]
    public async Task A_message_for_a_render_that_never_was_is_refused()
    {
        await Should.ThrowAsync<SagaException>(() => it.When(new WorkStarted(Id, 1, Node)));
        (await it.StateAsync()).ShouldBe("");
    }

    [Fact]
    public async Task Two_submissions_at_once_start_one_render()
    {
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Record.ExceptionAsync(() => it.Given(Submit))));
        await it.When(Submit);
        await it.Then("Queued");
        (await _database.QueryAsync("SELECT count(*) FROM {s}.mt_events WHERE stream_id = $1", row => row.GetInt64(0), Id.Value)).Single().ShouldBe(1);
    }

    async Task RemindedAsync(string state, bool late, int times)
    {
        for (var i = 0; i < times; i++) await it.Given(Reminder(state, late, (await it.JobAsync()).Order));
    }

    object Reminder(string state, bool late, int? order = null) => state switch
    {
        "Queued" => new QueueOverdue(Id, order ?? 1, late ? Due : Later),
        "Rendering" => new RenderingStalled(Id, order ?? 1, late ? Due : Later),
        "Validating" => new ValidationOverdue(Id, order ?? 2, late ? Due : Later),
        "Assembling" => new ValidationOverdue(Id, order ?? 3, late ? Due : Later),
        _ => new RepairStalled(Id, order ?? 3, late ? Due : Later),
    };
}
