using System.Diagnostics.Metrics;
using System.Security.Cryptography;
using System.Text.Encodings.Web;
using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.Foundation;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Options;
using Npgsql;

namespace FlatRender.Host;

/// <summary>Calls of a tenant's own programs: an API key's id, and a signature in place of a secret that travels. src/Contracts/rest/reseller.md says how they are made.</summary>
sealed class SignedCalls(IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger, UrlEncoder encoder, KeyBook keys, TimeProvider clock)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    public const string Scheme_ = "signed";

    // Larger bodies wait on disk for their handler.
    const int InMemory = 1 << 20;

    static readonly Meter Meter = new("FlatRender.SignedCalls");
    static readonly Counter<long> Ended = Meter.CreateCounter<long>("flatrender_signed_calls", description: "Calls of programs, by what their signature came to.");

    (string Code, string Message)? _refusal;

    protected override async Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        var (caller, refusal) = await CheckAsync(Context.RequestAborted);
        _refusal = refusal;
        Ended.Add(1, new KeyValuePair<string, object?>("how", refusal?.Code ?? "accepted"));
        if (caller is null) return AuthenticateResult.Fail(refusal!.Value.Message);
        Context.Features.Set(caller);
        return AuthenticateResult.Success(new AuthenticationTicket(TokenAuthentication.Principal(TokenAuthentication.Program, caller.Permissions), Scheme_));
    }

    protected override Task HandleChallengeAsync(AuthenticationProperties properties) => Refuse.With(StatusCodes.Status401Unauthorized, _refusal!.Value.Code, _refusal.Value.Message).ExecuteAsync(Context);

    protected override Task HandleForbiddenAsync(AuthenticationProperties properties) =>
        Refuse.With(StatusCodes.Status403Forbidden, Refuse.CodeOf(StatusCodes.Status403Forbidden), $"The key's scopes do not reach this: {string.Join(", ", Caller.Of(Context).Permissions)}.").ExecuteAsync(Context);

    // What costs nothing first. Nothing is read of a body, and no nonce remembered, before the signature over its digest holds.
    async Task<(Caller?, (string Code, string Message)?)> CheckAsync(CancellationToken cancel)
    {
        if (SignedHeaders.All.FirstOrDefault(h => Request.Headers[h].Count != 1) is { } missing) return (null, ("UNSIGNED", $"A signed call has each of {string.Join(", ", SignedHeaders.All)} once; this has not one {missing}."));
        if (SignedCall.Read(Given(SignedHeaders.Signature), Given(SignedHeaders.Timestamp), Given(SignedHeaders.Nonce), out var call) is { } malformed) return (null, malformed);
        if (!Guid.TryParse(Given(SignedHeaders.Key), out var id) || await keys.FindAsync(id, cancel) is not var (caller, secret)) return (null, ("BAD_API_KEY", "There is no such API key, or it was revoked."));
        var digest = Given(SignedHeaders.Digest);
        var again = Request.Headers.TryGetValue("Idempotency-Key", out var given) ? given.ToString() : null;
        if (call.Refuse(secret, Request.Method, Context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget, digest, clock.GetUtcNow(), again) is { } unbelieved) return (null, unbelieved);
        if (!await keys.FirstTimeAsync(id, call.Nonce, cancel)) return (null, ("REPLAYED", "This nonce was used before."));
        return await DigestAsync(cancel) == digest ? (caller, null) : (null, ("BODY_ALTERED", $"The body is not the one of {SignedHeaders.Digest}."));
    }

    string Given(string header) => Request.Headers[header].ToString();

    // The handler gets only what was checked, so it is read before; the endpoint's limit on its size holds here already.
    async Task<string> DigestAsync(CancellationToken cancel)
    {
        if (Context.Features.Get<IHttpRequestBodyDetectionFeature>() is { CanHaveBody: false }) return CallSignature.DigestOf([]);
        Request.EnableBuffering(InMemory);
        var digest = Convert.ToHexStringLower(await SHA256.HashDataAsync(Request.Body, cancel));
        Request.Body.Position = 0;
        return digest;
    }
}

/// <summary>API keys and the nonces that were heard with them: in the database, so that every gateway knows of each other's.</summary>
sealed class KeyBook(NpgsqlDataSource database, Secrets secrets, TimeProvider clock)
{
    static readonly TimeSpan Sweep = TimeSpan.FromMinutes(1);

    readonly Seal _seal = new(secrets, Seal.ApiKeys);
    long _sweepAt;

    public async Task<(Caller Caller, string Secret)?> FindAsync(Guid id, CancellationToken cancel)
    {
        var found = await database.QueryAsync("SELECT tenant_id, issued_by, scopes, sealed_secret FROM access.api_keys WHERE api_key_id = $1",
            row => (Caller: new Caller(new TenantId(row.GetGuid(0)), new UserId(row.GetGuid(1)), [], row.GetFieldValue<string[]>(2), ApiKeyId: id), Sealed: row.GetFieldValue<byte[]>(3)), cancel, id);
        // Sealed with a secret that this installation has no more: as good as gone.
        return found is [var key] && _seal.OpenText($"{id}", key.Sealed) is { } secret ? (key.Caller, secret) : null;
    }

    public async Task<bool> FirstTimeAsync(Guid key, string nonce, CancellationToken cancel)
    {
        var now = clock.GetUtcNow();
        var due = Volatile.Read(ref _sweepAt);
        if (now.UtcTicks >= due && Interlocked.CompareExchange(ref _sweepAt, (now + Sweep).UtcTicks, due) == due)
            await database.RunAsync("DELETE FROM access.nonces WHERE until < $1", cancel, now);
        return await database.RunAsync("INSERT INTO access.nonces (api_key_id, nonce, until) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", cancel, key, nonce, SignedCall.Forgotten(now)) == 1;
    }
}

static class SignedCallAccess
{
    /// <summary>A call that brings a key or a signature is judged by them, whatever else it brings.</summary>
    public static void AddSignedCalls(this IServiceCollection services)
    {
        services.AddSingleton<KeyBook>();
        services.AddAuthentication().AddScheme<AuthenticationSchemeOptions, SignedCalls>(SignedCalls.Scheme_, null);
        services.Configure<AuthenticationSchemeOptions>(TokenAuthentication.Scheme_, token =>
            token.ForwardDefaultSelector = http => http.Request.Headers.ContainsKey(SignedHeaders.Key) || http.Request.Headers.ContainsKey(SignedHeaders.Signature) ? SignedCalls.Scheme_ : null);
    }
}
