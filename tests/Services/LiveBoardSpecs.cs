using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.Render;
using FlatRender.TestKit;

namespace FlatRender.Services.Tests;

/// <summary>What render processes tell of the renders under way: together, at most twice a second, and never more than is taken.</summary>
public sealed class LiveBoardSpecs : IDisposable
{
    static readonly TimeSpan Moment = LiveBoard.Gather;

    readonly HandTimers _clock = new();
    readonly List<object> _told = [];
    readonly LiveBoard _board, _other;
    TaskCompletionSource? _broker;

    public LiveBoardSpecs() => (_board, _other) = (new LiveBoard(TellAsync, _clock), new LiveBoard(TellAsync, _clock));

    public void Dispose()
    {
        _board.Dispose();
        _other.Dispose();
    }

    IEnumerable<RenderBulletin> Bulletins => _told.OfType<RenderBulletin>();
    IEnumerable<RenderProgress> Progress => Bulletins.SelectMany(b => b.Renders);

    Task TellAsync(object message, CancellationToken cancel)
    {
        _told.Add(message);
        return _broker?.Task ?? Task.CompletedTask;
    }

    (JobId Job, LeaseId Lease) Begun(LiveBoard board, int total = 100, JobId? of = null)
    {
        var (job, lease) = (of ?? new JobId(Ids.New()), new LeaseId(Ids.New()));
        board.Settle(job, total, 0);
        board.Leased(lease, job);
        return (job, lease);
    }

    static NodeProgress Drawn(LeaseId lease, int done, string? preview = null) => new(lease, 1, done, 8, preview);

    [Fact]
    public void Renders_that_move_in_one_moment_are_told_in_one_message()
    {
        var renders = Enumerable.Range(0, 20).Select(_ => Begun(_board)).ToArray();
        foreach (var (_, lease) in renders) _board.Progressed(Drawn(lease, 5));
        Bulletins.ShouldBeEmpty();
        _clock.Advance(Moment);
        Bulletins.ShouldHaveSingleItem().Renders.Select(r => (r.JobId, r.FramesDone)).ShouldBe(renders.Select(r => (r.Job, 5)), ignoreOrder: true);
    }

    [Fact]
    public void More_than_fit_go_in_several_messages()
    {
        for (var n = 0; n < LiveBoard.Together * 2 + 1; n++) Begun(_board);
        _clock.Advance(Moment);
        Bulletins.Select(b => b.Renders.Count).ShouldBe([LiveBoard.Together, LiveBoard.Together, 1]);
    }

    [Fact]
    public void A_render_is_told_of_at_most_twice_a_second_and_its_last_state_is_told()
    {
        var (_, lease) = Begun(_board);
        for (var done = 1; done <= 90; done++)
        {
            _board.Progressed(Drawn(lease, done));
            _clock.Advance(TimeSpan.FromMilliseconds(30));
        }

        _clock.Advance(TimeSpan.FromSeconds(1));
        Progress.Count().ShouldBeInRange(5, 7);
        Progress.Last().FramesDone.ShouldBe(90);
        // Nothing moves: nothing is told, and nothing wakes up.
        var told = _told.Count;
        _clock.Advance(TimeSpan.FromMinutes(1));
        _told.Count.ShouldBe(told);
    }

    [Fact]
    public void A_picture_does_not_wait_and_is_told_once()
    {
        var (_, lease) = Begun(_board);
        _clock.Advance(Moment);
        _board.Progressed(Drawn(lease, 1, "data:image/jpeg;base64,/9j/"));
        _board.Progressed(Drawn(lease, 2));
        _clock.Advance(Moment);
        _board.Progressed(Drawn(lease, 3));
        _clock.Advance(TimeSpan.FromSeconds(1));
        Progress.Select(p => (p.FramesDone, p.Preview is not null)).ShouldBe([(0, false), (2, true), (3, false)]);
    }

    [Fact]
    public void What_the_broker_does_not_take_is_not_heaped_up()
    {
        var (_, lease) = Begun(_board);
        _broker = new();
        _clock.Advance(Moment);
        for (var done = 1; done <= 50; done++)
        {
            _board.Progressed(Drawn(lease, done));
            _clock.Advance(TimeSpan.FromSeconds(1));
        }

        Progress.Count().ShouldBe(1);
        var taken = _broker;
        _broker = null;
        taken.SetResult();
        _clock.Advance(TimeSpan.FromSeconds(1));
        Progress.Select(p => p.FramesDone).ShouldBe([0, 50]);
    }

    [Fact]
    public void Who_speaks_of_a_render_speaks_of_all_of_it()
    {
        var (job, here) = Begun(_board);
        var (_, there) = Begun(_other, of: job);
        _board.Progressed(Drawn(here, 10));
        _other.Progressed(Drawn(there, 7));
        _clock.Advance(Moment);
        foreach (var parts in _told.OfType<LiveParts>().ToArray())
        {
            _board.Heard(parts);
            _other.Heard(parts);
        }

        _board.Progressed(Drawn(here, 12));
        _clock.Advance(TimeSpan.FromSeconds(1));
        var last = Progress.Last();
        (last.FramesDone, last.ActiveNodes).ShouldBe((19, 2));
    }

    [Fact]
    public void A_render_that_is_over_is_told_of_no_more()
    {
        var (job, lease) = Begun(_board);
        _board.Progressed(Drawn(lease, 10));
        _board.Forget(job);
        _clock.Advance(TimeSpan.FromSeconds(1));
        Bulletins.ShouldBeEmpty();
        _told.OfType<LiveParts>().ShouldHaveSingleItem().Parts.ShouldHaveSingleItem().Over.ShouldBeTrue();
    }
}
