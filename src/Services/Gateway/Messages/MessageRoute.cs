namespace FlatRender.Gateway.Messages;

/// <summary>Which headers a microservice is told by: those of Open Matchmaking, their older names, or all of them.</summary>
public enum Dialect
{
    Om,
    Legacy,
    Both,
}

/// <summary>A url and the microservice behind it.</summary>
/// <param name="Url">As it is matched: without slashes at its ends, and with single ones inside.</param>
/// <param name="Exchange">Where requests are published; empty: the broker's default, which knows queues by name.</param>
/// <param name="ResponseExchange">Where the microservice publishes its answers, by the name of the queue it was told; empty: the default.</param>
/// <param name="Timeout">For an answer; the request expires at the broker after the same time.</param>
/// <param name="Permissions">A caller needs all of them.</param>
/// <param name="Microservice">What <c>microservice_name</c> says in the legacy dialect.</param>
/// <param name="TellsTenant">One header more, with the caller's tenant: for services of ours.</param>
public sealed record MessageRoute(
    string Url, string Exchange, string RoutingKey, string ResponseExchange, TimeSpan Timeout, bool TokenRequired, IReadOnlyList<string> Permissions, Dialect Dialect, string Microservice, bool TellsTenant = false)
{
    public const string Responses = "open-matchmaking.responses.direct";

    /// <summary>Slashes at the ends and repeated ones say nothing.</summary>
    public static string Normal(string url) => string.Join('/', url.Split('/', StringSplitOptions.RemoveEmptyEntries));

    public string Expiration { get; } = ((long)Timeout.TotalMilliseconds).ToString(System.Globalization.CultureInfo.InvariantCulture);
}

/// <summary>What one socket and one person may ask of this gateway.</summary>
/// <param name="InFlight">Requests of a socket that are not answered yet, or whose answer the client has not taken.</param>
/// <param name="PerSecond">Messages from a socket; as many may come at once.</param>
/// <param name="MessageBytes">Of one message from a client.</param>
/// <param name="ReplyBytes">Of one answer from a microservice.</param>
/// <param name="UserInFlight">As <paramref name="InFlight"/>, over all sockets of one person.</param>
/// <param name="Sockets">Open at once.</param>
public sealed record MessageLimits(int InFlight = 100, int PerSecond = 200, int MessageBytes = 1 << 20, int ReplyBytes = 8 << 20, int UserInFlight = 500, int UserPerSecond = 1000, int Sockets = 20_000)
{
    public static readonly MessageLimits Default = new();
}

/// <summary>What is served, and within which limits.</summary>
public sealed record MessagePlan(IReadOnlyDictionary<string, MessageRoute> Routes, MessageLimits Limits)
{
    public MessageRoute? Find(string url) => Routes.GetValueOrDefault(MessageRoute.Normal(url));

    /// <summary>Every exchange through which an answer may come.</summary>
    public IEnumerable<string> ResponseExchanges => Routes.Values.Select(r => r.ResponseExchange).Where(e => e.Length > 0).Distinct();
}
