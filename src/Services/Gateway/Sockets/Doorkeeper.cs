using System.Security.Cryptography;
using System.Text;
using FlatRender.Foundation;

namespace FlatRender.Gateway.Sockets;

/// <param name="Expires">When the token does.</param>
sealed record Admitted(Caller Caller, DateTimeOffset Expires);

/// <summary>Looks at the token of an address, which no header carries: browsers cannot set headers on a WebSocket.</summary>
sealed class Doorkeeper(Secrets secrets)
{
    /// <returns>Null: nobody we know.</returns>
    public Admitted? Admit(string? token) =>
        token is not null && CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(token), Encoding.UTF8.GetBytes(secrets.ApiToken)) ? new(Caller.Owner, DateTimeOffset.MaxValue) : null;
}
