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
        foreach (var (node, lease) in dropped)
        {
            live.Ended(lease);
            if (await nodes.UrlAsync(node, x.CancellationToken) is { } url) await calls.AbortAsync(url, lease, x.CancellationToken);
        }
    }
}
