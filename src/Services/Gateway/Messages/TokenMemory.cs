using FlatRender.Foundation;

namespace FlatRender.Gateway.Messages;

/// <summary>The token a socket came with last: it is looked at again when another comes, when it ends, and after as short a time as another process may hear late that its sign-in has ended.</summary>
sealed class TokenMemory(Tokens tokens, TimeProvider clock)
{
    static readonly TimeSpan Fresh = TimeSpan.FromSeconds(1);

    string? _token;
    Caller? _caller;
    DateTimeOffset _until;

    /// <exception cref="Npgsql.NpgsqlException">Who signed cannot be looked up for the moment.</exception>
    public async ValueTask<Verdict> CheckAsync(string token, CancellationToken cancel)
    {
        var now = clock.GetUtcNow();
        if (_caller is not null && _token == token && now < _until) return new(_caller, "");
        var verdict = await tokens.CheckAsync(token, cancel);
        // A service acts for the tenant that it names with each call: there is no place for that here.
        if (verdict.Caller is { ServiceName: not null }) verdict = new(null, "This is for people.");
        (_token, _caller) = (token, verdict.Caller);
        _until = now + Fresh;
        if (verdict.Caller?.ExpiresAt is { } ends && ends < _until) _until = ends;
        return verdict;
    }
}
