using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.Foundation;
using MassTransit;

namespace FlatRender.Gateway;

/// <summary>At the door: a render's price is set aside before the pipeline hears of it.</summary>
public sealed class Till(IServiceScopeFactory scopes, Streams streams, Vocabulary vocabulary)
{
    /// <returns>Null: it is held. Else why not.</returns>
    public async Task<IResult?> HoldAsync(HoldCredits ask, CancellationToken cancel)
    {
        await using var scope = scopes.CreateAsyncScope();
        var answer = (await scope.ServiceProvider.GetRequiredService<IRequestClient<HoldCredits>>().GetResponse<HoldAnswer>(ask, cancel)).Message;
        return answer.Refusal switch
        {
            null => null,
            "IDEMPOTENCY_CONFLICT" => Refuse.Invalid(answer.Refusal, answer.Message),
            "QUOTA_EXCEEDED" => Refuse.With(StatusCodes.Status429TooManyRequests, answer.Refusal, answer.Message),
            _ => Refuse.With(StatusCodes.Status402PaymentRequired, answer.Refusal, answer.Message),
        };
    }

    /// <summary>A retry is paid for anew: the attempt before went back when it failed.</summary>
    public async Task<IResult?> HoldAgainAsync(TenantId tenant, RenderView view, CancellationToken cancel)
    {
        var facts = (await streams.ReadAsync(view.JobId.Value, cancel)).Where(e => vocabulary.Knows(e.Type)).Select(e => e.Fact(vocabulary)).ToArray();
        var attempt = 1 + facts.OfType<JobFailed>().Count();
        return await HoldAsync(new HoldCredits(view.JobId, tenant, attempt, facts.OfType<IAboutOrder>().Max(f => f.Order), Price.OfMinor(view.Width, view.Height, view.TotalFrames)), cancel);
    }
}
