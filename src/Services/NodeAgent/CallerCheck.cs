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
        var now = clock.GetUtcNow();
        return SignedCall.Read(signature, timestamp, nonce, out var call) ?? call.Refuse(secret, method, pathAndQuery, CallSignature.DigestOf(body), now)
            ?? (Remember(nonce, now) ? null : ("REPLAYED", "This nonce was used before."));
    }

    /// <summary>Only signed calls are remembered, and only while their timestamp could still be accepted.</summary>
    bool Remember(string nonce, DateTimeOffset now)
    {
        lock (_gate)
        {
            if (_heard.Count > 0 && _heard.Count % 256 == 0)
                foreach (var (old, until) in _heard.ToArray())
                    if (until < now) _heard.Remove(old);
            return _heard.TryAdd(nonce, SignedCall.Forgotten(now));
        }
    }
}
