using System.Collections.Concurrent;
using FlatRender.Contracts;
using FlatRender.TestKit;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;

namespace FlatRender.EventStore.Tests;

public sealed class AgendaSpecs : IAsyncLifetime
{
    readonly HandClock _clock = new();
    readonly Mail _mail = new();
    TestDatabase _database = null!;

    public async Task InitializeAsync() => _database = await TestDatabase.CreateAsync();
    public async Task DisposeAsync() => await _database.DisposeAsync();

    Task<House> StartAsync(bool relay = false) => House.StartAsync(_database, o => o.Relay = relay, x => x.AddConsumer<Postman>(), s => s.AddSingleton<TimeProvider>(_clock).AddSingleton(_mail), pipeline: false);

    async Task<Guid> WriteAsync(House house, Action<UnitOfWork, JobId> what)
    {
        var id = Ids.New();
        var unit = new UnitOfWork(id, "render_job", Vocabulary.All, FactHeaders.Of("maria", null), _clock.GetUtcNow());
        unit.Append(new JobHeld(new JobId(id), "test", "x"));
        what(unit, new JobId(id));
        await house.Get<GroupCommit>().CommitAsync(unit, CancellationToken.None);
        return id;
    }

    Task<List<long>> LeftAsync() => _database.QueryAsync("SELECT id FROM {s}.agenda ORDER BY id", r => r.GetInt64(0));

    [Fact]
    public async Task An_ask_goes_out_at_once_and_a_reminder_when_it_is_due()
    {
        await using var house = await StartAsync();
        var agenda = house.Get<Agenda>();
        await WriteAsync(house, (unit, job) =>
        {
            unit.Remind(unit.Now.AddMinutes(10), new QueueOverdue(job, 1, unit.Now.AddMinutes(10)));
            unit.Ask(new ResumeFrames(job, 1));
        });
        (await agenda.SendDueAsync(CancellationToken.None)).ShouldBe(1);
        await Eventually.So(() => Task.FromResult(_mail.Types.SequenceEqual(["ResumeFrames"])), "the ask arrived");
        (await agenda.NextDueAsync(CancellationToken.None)).ShouldBe(_clock.GetUtcNow().AddMinutes(10));

        _clock.Advance(TimeSpan.FromMinutes(9));
        (await agenda.SendDueAsync(CancellationToken.None)).ShouldBe(0);
        _clock.Advance(TimeSpan.FromMinutes(1));
        (await agenda.SendDueAsync(CancellationToken.None)).ShouldBe(1);
        await Eventually.So(() => Task.FromResult(_mail.Types.SequenceEqual(["ResumeFrames", "QueueOverdue"])), "the reminder arrived");
        _mail.Letters.ShouldAllBe(l => l.Actor == "maria");
        await ThenNothingIsLeftAsync(agenda);
    }

    [Fact]
    public async Task What_is_sent_twice_carries_the_same_id_twice()
    {
        await using var house = await StartAsync();
        await WriteAsync(house, (unit, job) => unit.Ask(new ResumeFrames(job, 1)));
        // As after a crash between confirm and delete: the row is still there.
        await RunAsync("CREATE TABLE {s}.kept AS SELECT * FROM {s}.agenda");
        await house.Get<Agenda>().SendDueAsync(CancellationToken.None);
        await ThenNothingIsLeftAsync(house.Get<Agenda>());
        await RunAsync("INSERT INTO {s}.agenda OVERRIDING SYSTEM VALUE SELECT * FROM {s}.kept");
        await house.Get<Agenda>().SendDueAsync(CancellationToken.None);
        await Eventually.So(() => Task.FromResult(_mail.Letters.Count == 2), "both arrived");
        _mail.Letters.Select(l => l.MessageId).Distinct().ShouldHaveSingleItem().ShouldNotBeNull();
    }

    [Fact]
    public async Task Two_processes_share_the_agenda_out_and_send_nothing_twice()
    {
        await using var house = await StartAsync();
        await Task.WhenAll(Enumerable.Range(0, 500).Select(_ => WriteAsync(house, (unit, job) => unit.Ask(new ResumeFrames(job, 1)))));
        var agenda = house.Get<Agenda>();
        async Task DrainAsync()
        {
            while (await agenda.SendDueAsync(CancellationToken.None) > 0) { }
        }
        await Task.WhenAll(DrainAsync(), DrainAsync(), DrainAsync());
        await ThenNothingIsLeftAsync(agenda);
        await Eventually.So(() => Task.FromResult(_mail.Letters.Count >= 500), "all arrived");
        _mail.Letters.Select(l => l.MessageId).Distinct().Count().ShouldBe(500);
        _mail.Letters.Count.ShouldBe(500);
    }

    [Fact]
    public async Task What_a_newer_version_wrote_is_left_for_it_and_stops_nothing()
    {
        await using var house = await StartAsync();
        await RunAsync("INSERT INTO {s}.agenda (kind, stream_id, due, type, data, headers) SELECT 'ask', gen_random_uuid(), '2020-01-01', 'ask.sing', '{}', '{}' FROM generate_series(1, 300)");
        await WriteAsync(house, (unit, job) => unit.Ask(new ResumeFrames(job, 1)));
        while (await house.Get<Agenda>().SendDueAsync(CancellationToken.None) > 0) { }
        await Eventually.So(() => Task.FromResult(_mail.Types.SequenceEqual(["ResumeFrames"])), "ours arrived");
        await Eventually.So(async () => await house.Get<Agenda>().SendDueAsync(CancellationToken.None) == 0 && (await LeftAsync()).Count == 300, "only theirs are left");
        house.Tally.Unknown.ShouldBe(300);
    }

    [Fact]
    public async Task A_process_that_held_messages_in_memory_wakes_all_reminders_when_it_starts_again()
    {
        await using (var house = await StartAsync())
            await WriteAsync(house, (unit, job) => unit.Remind(unit.Now.AddMinutes(10), new QueueOverdue(job, 1, unit.Now.AddMinutes(10))));
        await using var again = await StartAsync(relay: true);
        await Eventually.So(() => Task.FromResult(_mail.Types.SequenceEqual(["QueueOverdue"])), "the reminder came before its time");
        _mail.Letters.Single().Due.ShouldBe(_clock.GetUtcNow().AddMinutes(10));
    }

    [Fact]
    public async Task What_is_remembered_after_a_start_is_not_woken_by_it()
    {
        await using var house = await StartAsync();
        var agenda = house.Get<Agenda>();
        Task RemindAsync() => WriteAsync(house, (unit, job) => unit.Remind(unit.Now.AddMinutes(10), new QueueOverdue(job, 1, unit.Now.AddMinutes(10))));
        (await agenda.NewestAsync(CancellationToken.None)).ShouldBe(0);
        await RemindAsync();
        var inherited = await agenda.NewestAsync(CancellationToken.None);
        await RemindAsync();
        (await agenda.WakeAllAsync(inherited, CancellationToken.None)).ShouldBe(1);
        (await agenda.SendDueAsync(CancellationToken.None)).ShouldBe(1, "its own is not due before its time");
    }

    [Fact]
    public async Task In_memory_a_row_stays_until_its_message_has_been_consumed()
    {
        await using (var house = await StartAsync())
        {
            _mail.Closed = new TaskCompletionSource();
            await WriteAsync(house, (unit, job) => unit.Ask(new ResumeFrames(job, 1)));
            await house.Get<Agenda>().SendDueAsync(CancellationToken.None);
            (await house.Get<Agenda>().SendDueAsync(CancellationToken.None)).ShouldBe(0);
            // Here the process would die: nobody has consumed it, and it is still there for the next.
            (await LeftAsync()).Count.ShouldBe(1);
            _mail.Closed.SetResult();
            await ThenNothingIsLeftAsync(house.Get<Agenda>());
        }
        _mail.Letters.Count.ShouldBe(1);
    }

    [Theory]
    [InlineData(nameof(QueueOverdue))]
    [InlineData(nameof(RefundCredits))]
    public async Task In_memory_what_nobody_would_repeat_comes_again_where_nobody_could_take_it_in(string what)
    {
        await using var house = await StartAsync();
        _mail.Broken = true;
        await WriteAsync(house, (unit, job) =>
        {
            if (what == nameof(QueueOverdue)) unit.Remind(unit.Now, new QueueOverdue(job, 1, unit.Now));
            else unit.Ask(new RefundCredits(job, new TenantId(Ids.New()), 1, "it failed"));
        });
        await house.Get<Agenda>().SendDueAsync(CancellationToken.None);
        await Eventually.So(async () => await house.Get<Agenda>().SendDueAsync(CancellationToken.None) == 0 && (await house.Get<Agenda>().NextDueAsync(CancellationToken.None)) == _clock.GetUtcNow().AddMinutes(1), "it is put off for a minute");
        _mail.Broken = false;
        _clock.Advance(TimeSpan.FromMinutes(1));
        await house.Get<Agenda>().SendDueAsync(CancellationToken.None);
        await ThenNothingIsLeftAsync(house.Get<Agenda>());
        _mail.Types.ShouldBe([what]);
    }

    [Fact]
    public async Task In_memory_an_ask_that_a_reminder_repeats_is_done_with_though_nobody_could_take_it_in()
    {
        await using var house = await StartAsync();
        _mail.Broken = true;
        await WriteAsync(house, (unit, job) => unit.Ask(new ResumeFrames(job, 1)));
        await ThenNothingIsLeftAsync(house.Get<Agenda>());
        _mail.Types.ShouldBeEmpty();
    }

    Task ThenNothingIsLeftAsync(Agenda agenda) => Eventually.So(async () => await agenda.SendDueAsync(CancellationToken.None) == 0 && (await LeftAsync()).Count == 0, "the agenda is empty");

    async Task RunAsync(string sql) => await _database.QueryAsync(sql, _ => 0);

    sealed class Mail
    {
        public ConcurrentQueue<(string Type, Guid? MessageId, string? Actor, DateTimeOffset? Due)> Letters { get; } = [];
        public TaskCompletionSource? Closed { get; set; }
        public bool Broken { get; set; }
        public IEnumerable<string> Types => Letters.Select(l => l.Type);
    }

    sealed class Postman(Mail mail) : IConsumer<ResumeFrames>, IConsumer<QueueOverdue>, IConsumer<RefundCredits>
    {
        public Task Consume(ConsumeContext<RefundCredits> x) => Keep(x, null);
        public Task Consume(ConsumeContext<ResumeFrames> x) => Keep(x, null);
        public Task Consume(ConsumeContext<QueueOverdue> x) => Keep(x, x.Message.Due);

        async Task Keep<T>(ConsumeContext<T> x, DateTimeOffset? due) where T : class
        {
            if (mail.Broken) throw new InvalidOperationException("The letter box is broken.");
            if (mail.Closed is { } closed) await closed.Task;
            mail.Letters.Enqueue((typeof(T).Name, x.MessageId, x.Headers.Get<string>("actor"), due));
        }
    }
}
