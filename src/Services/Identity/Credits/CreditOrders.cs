using FlatRender.Contracts;
using MassTransit;

namespace FlatRender.Identity;

/// <summary>Holds for the gateway, settles for the pipeline. Whatever comes twice, late or for an older attempt changes nothing.</summary>
public sealed class CreditOrders(Purses purses, Streams streams, Vocabulary vocabulary) : IConsumer<HoldCredits>, IConsumer<CaptureCredits>, IConsumer<RefundCredits>, IConsumer<HoldUnclaimed>
{
    public async Task Consume(ConsumeContext<HoldCredits> x)
    {
        HoldAnswer? answer = null;
        await purses.ChangeAsync(x.Message.TenantId, "gateway", purse =>
        {
            (var facts, answer) = purse.Decide(x.Message);
            return facts;
        }, x.CancellationToken);
        await x.RespondAsync(answer!);
    }

    public Task Consume(ConsumeContext<CaptureCredits> x) => purses.ChangeAsync(x.Message.TenantId, "pipeline", purse => purse.Decide(x.Message), x.CancellationToken);

    public Task Consume(ConsumeContext<RefundCredits> x) => purses.ChangeAsync(x.Message.TenantId, "pipeline", purse => purse.Decide(x.Message), x.CancellationToken);

    public async Task Consume(ConsumeContext<HoldUnclaimed> x)
    {
        var facts = await streams.ReadAsync(x.Message.JobId.Value, x.CancellationToken);
        var claimed = facts.Any(e => vocabulary.Knows(e.Type) && e.Fact(vocabulary) is IAboutOrder fact && fact.Order > x.Message.AfterOrder);
        await purses.ChangeAsync(x.Message.TenantId, "agenda", purse => purse.Decide(x.Message, claimed), x.CancellationToken);
    }
}

/// <summary>Money is not given up on at the first trouble.</summary>
public sealed class CreditOrdersDefinition : ConsumerDefinition<CreditOrders>
{
    protected override void ConfigureConsumer(IReceiveEndpointConfigurator endpoint, IConsumerConfigurator<CreditOrders> consumer, IRegistrationContext context) =>
        endpoint.UseMessageRetry(retry => retry.Intervals(100, 500, 2000, 5000, 15000));
}
