using FlatRender.Contracts;
using MassTransit;

namespace FlatRender.Render;

/// <summary>Takes the pipeline's asks into the book.</summary>
sealed class WorkOrders(WorkBook work, NodeBook nodes, NodeCalls calls, LiveBoard live) :
    IConsumer<PlanFrames>, IConsumer<ResumeFrames>, IConsumer<ValidateFrames>, IConsumer<RepairFrames>, IConsumer<AssembleFilm>,
    IConsumer<StopWork>, IConsumer<HoldWork>, IConsumer<ReleaseWork>
{
    public Task Consume(ConsumeContext<PlanFrames> x) => work.PlanAsync(x.Message, x.CancellationToken);
    public Task Consume(ConsumeContext<ResumeFrames> x) => work.ResumeAsync(x.Message, x.CancellationToken);
    public Task Consume(ConsumeContext<ValidateFrames> x) => work.ValidateAsync(x.Message, x.CancellationToken);
    public Task Consume(ConsumeContext<RepairFrames> x) => work.RepairAsync(x.Message, x.CancellationToken);
    public Task Consume(ConsumeContext<AssembleFilm> x) => work.AssembleAsync(x.Message, x.CancellationToken);
    public Task Consume(ConsumeContext<HoldWork> x) => work.HoldAsync(x.Message.JobId, held: true, x.CancellationToken);
    public Task Consume(ConsumeContext<ReleaseWork> x) => work.HoldAsync(x.Message.JobId, held: false, x.CancellationToken);

    public async Task Consume(ConsumeContext<StopWork> x)
    {
        var dropped = await work.StopAsync(x.Message, x.CancellationToken);
        live.Forget(x.Message.JobId);
        // All at once: one node that does not answer keeps no other's engines running.
        await Task.WhenAll(dropped.Select(d => AbortAsync(d.Node, d.Lease, x.CancellationToken)));
    }

    async Task AbortAsync(NodeId node, LeaseId lease, CancellationToken cancel)
    {
        if (await nodes.UrlAsync(node, cancel) is { } url) await calls.AbortAsync(url, lease, cancel);
    }
}

/// <summary>Answers support: how the farm stands, why a render waits; and does what support decides.</summary>
sealed class FarmDesk(WorkBook work, NodeBook nodes, NodeCalls calls, FarmState state) :
    IConsumer<ExplainWait>, IConsumer<ShowFarm>, IConsumer<SetLimit>, IConsumer<DrainNode>, IConsumer<QuarantineNode>, IConsumer<ReleaseNode>
{
    public async Task Consume(ConsumeContext<ExplainWait> x) => await x.RespondAsync(await state.ExplainAsync(x.Message.JobId, x.CancellationToken));

    public async Task Consume(ConsumeContext<ShowFarm> x) => await x.RespondAsync(await state.ShowAsync(x.CancellationToken));

    public async Task Consume(ConsumeContext<SetLimit> x)
    {
        await state.LimitAsync(x.Message, x.CancellationToken);
        work.News.Raise();
        await x.RespondAsync(new FarmAnswer(null));
    }

    public async Task Consume(ConsumeContext<DrainNode> x)
    {
        var refusal = await nodes.DrainAsync(x.Message, x.CancellationToken);
        await x.RespondAsync(new FarmAnswer(refusal));
        if (refusal is null && await nodes.UrlAsync(x.Message.NodeId, x.CancellationToken) is { } url) await calls.DrainAsync(url, x.CancellationToken);
    }

    public async Task Consume(ConsumeContext<QuarantineNode> x)
    {
        var refusal = await nodes.QuarantineAsync(x.Message, x.CancellationToken);
        if (refusal is null) await work.TakeBackAsync(x.Message.NodeId, null, "its node was put in quarantine", x.CancellationToken);
        await x.RespondAsync(new FarmAnswer(refusal));
    }

    public async Task Consume(ConsumeContext<ReleaseNode> x)
    {
        var refusal = await nodes.ReleaseAsync(x.Message, x.CancellationToken);
        work.News.Raise();
        await x.RespondAsync(new FarmAnswer(refusal));
    }
}
