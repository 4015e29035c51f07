using FlatRender.MessageAdapter;
using Microsoft.Extensions.Logging;

namespace FlatRender.Gateway.Messages;

/// <summary>Requests in a process without a broker: the house's own operations answer in it, as they would from another.</summary>
/// <param name="house">Null: this process has none.</param>
sealed partial class HouseCarrier(IMicroservice? house, ILogger<HouseCarrier> log) : ICarrier
{
    public ValueTask<MessageError?> CarryAsync(Mailbox from, MessageAsked asked, CancellationToken cancel)
    {
        if (house is null) return new(new MessageError(MessageError.ServiceUnavailable, "Nobody serves this for the moment."));
        var caller = asked.Caller;
        var question = new Question(asked.Route.RoutingKey, asked.Url, caller?.UserId.ToString() ?? "", caller?.TenantId.ToString() ?? "", Grants.Of(caller?.Permissions ?? []), asked.Content.ToArray());
        _ = AnswerAsync(house, from, question, asked.EventName);
        return new((MessageError?)null);
    }

    public ValueTask LeaveAsync(Mailbox from) => ValueTask.CompletedTask;

    // Whoever leaves before the answer has asked all the same.
    async Task AnswerAsync(IMicroservice house, Mailbox to, Question question, string? eventName)
    {
        // The client's next message is not to wait for it.
        await Task.Yield();
        Answer answer;
        try
        {
            answer = await house.AnswerAsync(question, CancellationToken.None);
        }
        catch (Exception e)
        {
            Failed(e, question.RoutingKey);
            answer = Answer.Error(MessageError.InternalError, "Something of ours went wrong.");
        }

        if (eventName is not null) to.Deliver(eventName, answer.Json(eventName).Span);
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "A request at {RoutingKey} failed.")]
    partial void Failed(Exception e, string routingKey);
}
