using FlatRender.Foundation;

namespace FlatRender.Gateway.Messages;

/// <summary>A request that may be carried: its route is known and its caller may ask it.</summary>
/// <param name="Url">As the client wrote it.</param>
/// <param name="Caller">Null: nobody has signed in.</param>
/// <param name="Content">Valid until the carrier returns.</param>
sealed record MessageAsked(MessageRoute Route, string Url, Caller? Caller, string? EventName, ReadOnlyMemory<byte> Content);

/// <summary>Brings requests to their microservices: over the broker, or, in a process that has none, to the house's own operations.</summary>
interface ICarrier
{
    /// <summary>The answer comes to the mailbox.</summary>
    /// <returns>Null: it is on its way. Else why not.</returns>
    ValueTask<MessageError?> CarryAsync(Mailbox from, MessageAsked asked, CancellationToken cancel);

    /// <summary>The mailbox is closed: nothing is left of it.</summary>
    ValueTask LeaveAsync(Mailbox from);
}
