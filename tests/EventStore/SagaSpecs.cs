using FlatRender.Contracts;
using FlatRender.Sagas;
using FlatRender.TestKit;
using MassTransit;
using MassTransit.Mediator;
using Microsoft.Extensions.DependencyInjection;
using Xunit.Abstractions;

namespace FlatRender.EventStore.Tests;

public sealed class SagaSpecs(ITestOutputHelper output) : IAsyncLifetime
{
    readonly Guid _id = Ids.New();
    TestDatabase _database = null!;
    Process _here = null!, _there = null!;

    JobId Job => new(_id);

    public async Task InitializeAsync()
    {
        _database = await TestDatabase.CreateAsync();
        _here = new Process(_database);
        _there = new Process(_database);
    }

    public async Task DisposeAsync()
    {
        await _here.DisposeAsync();
        await _there.DisposeAsync();
        await _database.DisposeAsync();
    }

    [Fact]
    public async Task The_usual_step_reads_nothing_and_writes_in_one_round_trip()
    {
        await _here.DeliverAsync(House.Submit(_id));
        var (reads, batches) = (_here.Tally.Reads, _here.Tally.Batches);
        object[] steps = [new WorkStarted(Job, 1, new NodeId(Ids.New())), new FramesRendered(Job, 1, 2), new FramesAccepted(Job, 2)];
        foreach (var step in steps) await _here.DeliverAsync(step);
        output.WriteLine($"{steps.Length} steps: {_here.Tally.Reads - reads} reads, {_here.Tally.Batches - batches} round trips to commit");
        (_here.Tally.Reads - reads, _here.Tally.Batches - batches).ShouldBe((0, steps.Length));
    }

    [Fact]
    public async Task A_step_on_a_memory_that_another_process_made_stale_is_taken_again()
    {
        await _here.DeliverAsync(House.Submit(_id));
        await _there.DeliverAsync(new HoldRender(Job, "support", "looking at it"));
        await _here.DeliverAsync(new WorkStarted(Job, 1, new NodeId(Ids.New())));
        var job = (await _here.Streams.LoadAsync<RenderJob>(_id, CancellationToken.None))!;
        (job.State, job.Held).ShouldBe(("Rendering", true));
        _here.Tally.Conflicts.ShouldBe(1);
        job.ShouldBe(await _here.Streams.FoldAsync<RenderJob>(_id, null, CancellationToken.None));
    }

    [Fact]
    public async Task A_message_is_not_ignored_on_the_word_of_a_stale_memory()
    {
        // Here the render still seems to be queued, where nothing is to be accepted.
        await _here.DeliverAsync(House.Submit(_id));
        await _there.DeliverAsync(new WorkStarted(Job, 1, new NodeId(Ids.New())));
        await _there.DeliverAsync(new FramesRendered(Job, 1, 2));
        await _here.DeliverAsync(new FramesAccepted(Job, 2));
        (await _here.StateAsync(_id)).ShouldBe("Validating");
        (await _here.Streams.LoadAsync<RenderJob>(_id, CancellationToken.None))!.Assembling.ShouldBeTrue();
    }

    [Fact]
    public async Task A_memory_that_was_forgotten_is_read_again()
    {
        await using var forgetful = new Process(_database, store: o => o.Remembered = 1);
        var ids = Enumerable.Range(0, 5).Select(_ => Ids.New()).ToArray();
        foreach (var id in ids) await forgetful.DeliverAsync(House.Submit(id));
        foreach (var id in ids) await forgetful.DeliverAsync(new CancelRender(new JobId(id), "me", "no more", 0));
        foreach (var id in ids) (await forgetful.StateAsync(id)).ShouldBe("Cancelled");
        forgetful.Tally.Conflicts.ShouldBe(0);
    }

    [Fact]
    public async Task Many_processes_that_fight_for_one_render_leave_one_legal_history()
    {
        await _here.DeliverAsync(House.Submit(_id));
        await Task.WhenAll(Enumerable.Range(0, 40).Select(n => Task.Run(() => (n % 2 == 0 ? _here : _there).DeliverAsync(n % 4 < 2 ? new HoldRender(Job, "a", $"{n}") : new ReleaseRender(Job, "b", $"{n}")))));
        var facts = await _here.Streams.ReadAsync(_id, CancellationToken.None);
        facts.Select(f => f.Version).ShouldBe(Enumerable.Range(1, facts.Count).Select(v => (long)v));
        // Holding what is held and releasing what is not changes nothing: the two alternate.
        facts.Skip(1).Select((f, n) => f.Type == (n % 2 == 0 ? "render.job.held.v1" : "render.job.released.v1")).ShouldAllBe(alternates => alternates);
        (await _here.Streams.LoadAsync<RenderJob>(_id, CancellationToken.None)).ShouldBe(await _here.Streams.FoldAsync<RenderJob>(_id, null, CancellationToken.None));
        string? hash = null;
        foreach (var fact in facts)
        {
            Chain.Holds(hash, fact).ShouldBeTrue();
            hash = fact.Header("hash");
        }
    }

    [Fact]
    public async Task A_step_that_goes_where_its_facts_do_not_lead_is_refused()
    {
        await using var services = new ServiceCollection().AddLogging()
            .AddEventStore(o => (o.DataSource, o.Schema, o.Relay) = (_database.Source, _database.Schema, false))
            .AddMediator(x => x.AddSagaStateMachine<Wayward, RenderSaga>().InEventStore()).BuildServiceProvider();
        await using var scope = services.CreateAsyncScope();
        var refusal = await Should.ThrowAsync<StateDisagreementException>(() => scope.ServiceProvider.GetRequiredService<IMediator>().Publish(House.Submit(_id)));
        refusal.Message.ShouldContain("'Rendering'");
        refusal.Message.ShouldContain("'Queued'");
        (await _here.Streams.VersionAsync(_id, CancellationToken.None)).ShouldBe(0);
    }

    [Fact]
    public async Task A_fact_says_who_caused_it_and_under_which_trace()
    {
        using var activity = new System.Diagnostics.Activity("test").SetIdFormat(System.Diagnostics.ActivityIdFormat.W3C).Start();
        await _here.DeliverAsync(House.Submit(_id));
        var fact = (await _here.Streams.ReadAsync(_id, CancellationToken.None)).Single();
        fact.Header("actor").ShouldBe("system");
        fact.Header("trace")!.ShouldContain(activity.TraceId.ToHexString());
        Guid.Parse(fact.Header("message_id")!).ShouldNotBe(Guid.Empty);
    }

    [Fact]
    public async Task Memory_at_any_version_is_the_fold_up_to_it()
    {
        await _here.DeliverAsync(House.Submit(_id));
        await _here.DeliverAsync(new WorkStarted(Job, 1, new NodeId(Ids.New())));
        await _here.DeliverAsync(new CancelRender(Job, "me", "no more", 10));
        foreach (var (version, state) in new[] { (1, "Queued"), (2, "Rendering"), (3, "Cancelled"), (9, "Cancelled") })
            (await _here.Streams.FoldAsync<RenderJob>(_id, version, CancellationToken.None))!.State.ShouldBe(state);
        (await _here.Streams.FoldAsync<RenderJob>(_id, 0, CancellationToken.None)).ShouldBeNull();
        (await _here.Streams.MemoriesAsync<RenderJob>(["Cancelled"], CancellationToken.None)).ShouldHaveSingleItem().Id.ShouldBe(_id);
        (await _here.Streams.MemoriesAsync<RenderJob>(["Queued"], CancellationToken.None)).ShouldBeEmpty();
    }

    /// <summary>Says Rendering where the fact says Queued.</summary>
    sealed class Wayward : MassTransitStateMachine<RenderSaga>
    {
        public Wayward()
        {
            InstanceState(x => x.CurrentState);
            Event(() => SubmitRender, x => x.CorrelateById(m => m.Message.JobId.Value));
            Initially(When(SubmitRender)
                .Record(x => new JobQueued(x.Message.JobId, x.Message.TenantId, x.Message.OwnerId, x.Message.Title, x.Message.TemplateDigest, x.Message.Film, x.Message.Priority, [], 1, "submitted"))
                .TransitionTo(Rendering));
        }

        public State Rendering { get; private set; } = null!;
        public Event<SubmitRender> SubmitRender { get; private set; } = null!;
    }
}
