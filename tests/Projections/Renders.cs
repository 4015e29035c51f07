using FlatRender.Contracts;
using FlatRender.Sagas;
using MassTransit;
using MassTransit.Mediator;
using Microsoft.Extensions.DependencyInjection;

namespace FlatRender.Projections.Tests;

/// <summary>Renders lived through by the real machine: whole lives in order, and wild ones.</summary>
public sealed class Renders(House house)
{
    // Impatient, so that every wait runs out in a short life.
    public static readonly RenderLimits Limits = new(
        Queue: new(TimeSpan.FromMinutes(1), 1), Rendering: new(TimeSpan.FromMinutes(1), 1), Validation: new(TimeSpan.FromMinutes(1), 1), Repair: new(TimeSpan.FromMinutes(1), 1), Repairs: 2);

    public static readonly TenantId[] Tenants = [new(Ids.New()), new(Ids.New()), new(Ids.New())];
    public static readonly NodeId[] Nodes = [new(Ids.New()), new(Ids.New())];
    static readonly FilmSpec Spec = new(640, 360, 90, 30, 1, "#ffffff", new Rect(0, 0, 640, 360), "1/1");

    static SubmitRender Submission(JobId id, int n) => new(id, Tenants[n % Tenants.Length], new UserId(Ids.New()), $"Titelkarte „{n}“ سلام", "0123", Spec, 50, []);
    static FilmFile Film(int n) => new("ab", 1000 + n, "cd", 3, 90, 0.1 + n / 7.0);

    public async Task SendAsync(object message)
    {
        await using var scope = house.Services.CreateAsyncScope();
        await scope.ServiceProvider.GetRequiredService<IMediator>().Publish(message, message.GetType());
    }

    /// <summary>A render that is repaired once and becomes a film: seven facts.</summary>
    public async Task<JobId> FilmAsync(int n = 0)
    {
        var id = new JobId(Ids.New());
        foreach (var message in new object[]
        {
            Submission(id, n), new WorkStarted(id, 1, Nodes[n % Nodes.Length]), new FramesRendered(id, 1, 3.5), new FramesRejected(id, 2, [3], [17, 18], "1 missing, 2 corrupt"),
            new FramesRendered(id, 3, 4.5), new FramesAccepted(id, 4), new FilmAccepted(id, 5, Film(n)),
        }) await SendAsync(message);
        return id;
    }

    /// <summary>A render that any message may reach at any time: late, early, twice, or not for it at all. What the machine refuses changes nothing.</summary>
    public async Task<JobId> WildAsync(Random random, int messages)
    {
        var id = new JobId(Ids.New());
        await SendAsync(Submission(id, random.Next(100)));
        for (var i = 0; i < messages; i++)
        {
            var order = (await house.Streams.LoadAsync<RenderJob>(id.Value, CancellationToken.None))!.Order - (random.Next(6) == 0 ? 1 : 0);
            try
            {
                await SendAsync(Any(random, id, order));
            }
            catch (NotAcceptedStateMachineException)
            {
            }
        }
        return id;
    }

    static object Any(Random random, JobId id, int order) => random.Next(26) switch
    {
        0 => Submission(id, 0),
        1 when random.Next(3) == 0 => new CancelRender(id, "someone", "no longer wanted", 10),
        2 => new HoldRender(id, "support", "wait"),
        3 => new ReleaseRender(id, "support", "go on"),
        4 or 5 => new RetryRender(id, "owner", "try again"),
        6 or 7 => new WorkStarted(id, order, Nodes[random.Next(Nodes.Length)]),
        8 or 9 => new FramesRendered(id, order, random.NextDouble() * 9),
        10 => new FramesAccepted(id, order),
        11 or 12 => new FramesRejected(id, order, [1], [], "frame 1 is missing"),
        13 => new FilmAccepted(id, order, Film(random.Next(50))),
        14 => new FilmRejected(id, order, [], [2], "frame 2 is corrupt"),
        15 when random.Next(3) == 0 => new RendererFailed(id, order, "AE_REPEATED_CRASH", "it crashed"),
        16 or 17 => new QueueOverdue(id, order, Due(random)),
        18 or 19 => new RenderingStalled(id, order, Due(random)),
        20 or 21 => new ValidationOverdue(id, order, Due(random)),
        22 or 23 => new RepairStalled(id, order, Due(random)),
        _ => new FramesRendered(id, order, 1.5),
    };

    // Long past, or (as after a restart) not yet.
    static DateTimeOffset Due(Random random) => random.Next(3) == 0 ? DateTimeOffset.MaxValue : DateTimeOffset.UnixEpoch;
}
