using System.Globalization;
using FlatRender.Contracts;

namespace FlatRender.NodeAgent;

/// <summary>Is this call the orchestrator's, unaltered, fresh, and heard for the first time? The answer is null or what is wrong.</summary>
sealed class CallerCheck(string secret, TimeProvider clock)
{
    readonly Lock _gate = new();
    readonly Dictionary<string, DateTimeOffset> _heard = [];

    public (string Code, string Message)? Refuse(string method, string pathAndQuery, ReadOnlySpan<byte> body, string? signature, string? timestamp, string? nonce)
    {
        if (signature is null || timestamp is null || nonce is null) return ("UNSIGNED", $"This call needs the headers {NodeHeaders.Signature}, {NodeHeaders.Timestamp} and {NodeHeaders.Nonce}.");
        if (!long.TryParse(timestamp, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds)) return ("BAD_TIMESTAMP", "The timestamp is a whole number of Unix seconds.");
        if (nonce.Length is < 16 or > 64) return ("BAD_NONCE", "A nonce has 16 to 64 characters.");
        if (!NodeSignature.Same(signature, NodeSignature.Of(secret, method, pathAndQuery, body, seconds, nonce))) return ("BAD_SIGNATURE", "The signature is not that of this call.");
        var now = clock.GetUtcNow();
        if (Math.Abs(now.ToUnixTimeSeconds() - seconds) > NodeSignature.Skew.TotalSeconds) return ("CLOCK_SKEW", string.Create(CultureInfo.InvariantCulture, $"The call is dated {seconds}; here it is {now.ToUnixTimeSeconds()}. Five minutes either way are accepted."));
        return Remember(nonce, now) ? null : ("REPLAYED", "This nonce was used before.");
    }

    /// <summary>Only signed calls are remembered, and only while their timestamp could still be accepted.</summary>
    bool Remember(string nonce, DateTimeOffset now)
    {
        lock (_gate)
        {
            if (_heard.Count > 0 && _heard.Count % 256 == 0)
                foreach (var (old, until) in _heard.ToArray())
                    if (until < now) _heard.Remove(old);
            return _heard.TryAdd(nonce, now + 2 * NodeSignature.Skew + TimeSpan.FromSeconds(1));
        }
    }
}
