using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.Sagas;

namespace FlatRender.Bench;

/// <summary>Renders as they usually go, and a long one, written straight into the store.</summary>
static class Lives
{
    public static readonly NodeId Node = new(Ids.New());
    public static readonly FilmFile Film = new(new string('b', 64), 1_234_567, new string('c', 64), 8, 240, 3.5);
    static readonly FilmSpec Spec = new(1920, 1080, 240, 30, 1, "#ffffff", new Rect(0, 0, 1920, 1080), "1/1");

    public static SubmitRender Submission(JobId id) => new(id, new TenantId(Ids.New()), new UserId(Ids.New()), "Title card", new string('a', 64), Spec, 50, []);

    /// <summary>Seven facts: one repair, then a film.</summary>
    public static object[] Usual(JobId id) =>
    [
        new JobQueued(id, new TenantId(Ids.New()), new UserId(Ids.New()), "Title card", new string('a', 64), Spec, 50, [], 1, "submitted"),
        new JobRendering(id, 1, 0, Node, DateTimeOffset.UnixEpoch, "a node took the first chunk"),
        new JobValidating(id, 2, 0, 3.5, "all chunks are in"),
        new JobRepair(id, 3, 0, [3], [17, 18], 1, 3, "1 frame is missing, 2 are corrupt"),
        new JobValidating(id, 4, 0, 4.5, "the repaired frames are in"),
        new JobFramesAccepted(id, 5, 0, "every frame is as it was drawn"),
        new JobDone(id, Film, "the film is whole and every frame of it checked"),
    ];

    /// <summary>A unit with these facts and the memory they make, for a render that stands where <paramref name="saga"/> does.</summary>
    public static UnitOfWork Unit(RenderSaga saga, string? hash, DateTimeOffset now, params ReadOnlySpan<object> facts)
    {
        var unit = new UnitOfWork(saga.CorrelationId, "render_job", Vocabulary.All, FactHeaders.Of("bench", null), now);
        unit.StandOn(saga.Version, hash);
        foreach (var fact in facts) unit.Record(saga, fact);
        return unit;
    }

    /// <summary>Whole lives in one unit each, until there are so many facts more. Returns how many.</summary>
    public static async Task<long> FillAsync(GroupCommit commit, TimeProvider clock, long facts)
    {
        var left = facts;
        await Task.WhenAll(Enumerable.Range(0, 64).Select(_ => Task.Run(async () =>
        {
            while (Interlocked.Add(ref left, -7) > -7)
            {
                var id = new JobId(Ids.New());
                await commit.CommitAsync(Unit(new RenderSaga { CorrelationId = id.Value }, null, clock.GetUtcNow(), Usual(id)), CancellationToken.None);
            }
        })));
        return facts - left;
    }

    /// <summary>One render that is held and released again and again: a stream of so many facts.</summary>
    public static async Task<Guid> LongAsync(GroupCommit commit, TimeProvider clock, int facts)
    {
        var id = new JobId(Ids.New());
        var saga = new RenderSaga { CorrelationId = id.Value };
        var life = Enumerable.Range(0, facts).Select(n => n == 0 ? Usual(id)[0] : n % 2 == 1 ? new JobHeld(id, "support", $"held the {n}th time") : (object)new JobReleased(id, "support", $"released the {n}th time"));
        string? hash = null;
        foreach (var part in life.Chunk(500))
        {
            var unit = Unit(saga, hash, clock.GetUtcNow(), part);
            await commit.CommitAsync(unit, CancellationToken.None);
            hash = unit.Outcome!.Hash;
        }
        return id.Value;
    }
}
