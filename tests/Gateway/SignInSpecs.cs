using System.Security.Cryptography;
using FlatRender.Contracts;
using Microsoft.Extensions.DependencyInjection;

namespace FlatRender.Gateway.Tests;

/// <summary>Signing in and out, from outside.</summary>
public sealed class SignInSpecs : IClassFixture<Server>
{
    readonly Server _server;

    public SignInSpecs(Server server) => _server = server;

    Task<SignedIn> LoginAsync(Person who, int status = 200) => _server.Anonymous().AskAsync<SignedIn>(HttpMethod.Post, "/v1/auth/login", new Credentials(who.Email, who.Password), status);
    Task<ErrorBody> RefusedLoginAsync(string email, string password, int status) => _server.Anonymous().RefusedAsync(HttpMethod.Post, "/v1/auth/login", new Credentials(email, password), status);
    Task<SignedIn> RefreshAsync(string token) => _server.Anonymous().AskAsync<SignedIn>(HttpMethod.Post, "/v1/auth/refresh", new RefreshAsked(token));
    Task<ErrorBody> RefusedRefreshAsync(string token) => _server.Anonymous().RefusedAsync(HttpMethod.Post, "/v1/auth/refresh", new RefreshAsked(token), 401);

    [Fact]
    public async Task Who_registers_is_signed_in_as_the_owner_of_a_tenant_of_their_own()
    {
        var (one, other) = (await _server.RegisterAsync(), await _server.RegisterAsync());
        one.TenantId.ShouldNotBe(other.TenantId);
        one.Tokens.User.Roles.ShouldBe([Role.Owner]);
        (await one.Client.GetAsync<UserView>("/v1/auth/me")).UserId.ShouldBe(one.UserId);
        (await _server.FactsAsync(one.UserId.Value)).Select(f => f.GetType()).ShouldBe([typeof(UserRegistered), typeof(UserLoggedIn)]);
        (await _server.FactsAsync(one.TenantId.Value)).Select(f => f.GetType()).ShouldBe([typeof(TenantCreated), typeof(TenantQuotaChanged), typeof(CreditsGranted)]);
    }

    [Fact]
    public async Task An_address_has_one_account_however_it_is_written()
    {
        var one = await _server.RegisterAsync();
        var refusal = await _server.Anonymous().RefusedAsync(HttpMethod.Post, "/v1/auth/register", new NewAccount($" {one.Email.ToUpperInvariant()} ", "another password", "Jo", null), 409);
        refusal.Code.ShouldBe("EMAIL_TAKEN");
        (await LoginAsync(one with { Email = one.Email.ToUpperInvariant() })).User.UserId.ShouldBe(one.UserId);
    }

    [Fact]
    public async Task Everything_wrong_with_a_new_account_is_said_at_once()
    {
        var refusal = await _server.Anonymous().RefusedAsync(HttpMethod.Post, "/v1/auth/register", new NewAccount("nobody", "short", "", ""), 422);
        refusal.Details.Select(d => d.Field).ShouldBe(["email", "password", "name", "tenant_name"]);
    }

    [Fact]
    public async Task A_wrong_password_and_an_unknown_address_are_told_alike()
    {
        var one = await _server.RegisterAsync();
        var wrong = await RefusedLoginAsync(one.Email, "not the password", 401);
        var unknown = await RefusedLoginAsync("unknown@example.org", "not the password", 401);
        (wrong with { TraceId = "" }).ShouldBeEquivalentTo(unknown with { TraceId = "" });
    }

    [Fact]
    public async Task After_too_many_wrong_passwords_even_the_right_one_has_to_wait()
    {
        var one = await _server.RegisterAsync();
        for (var i = 0; i < 4; i++) await RefusedLoginAsync(one.Email, "not the password", 401);
        using var answer = await _server.Anonymous().SendAsync(HttpMethod.Post, "/v1/auth/login", new Credentials(one.Email, "not the password"));
        ((int)answer.StatusCode).ShouldBe(429);
        answer.Headers.RetryAfter!.Delta!.Value.ShouldBe(TimeSpan.FromMinutes(15));
        (await RefusedLoginAsync(one.Email, one.Password, 429)).Code.ShouldBe("LOCKED");
        (await _server.FactsAsync(one.UserId.Value)).ShouldContain(f => f is UserLocked);

        _server.Clock.Advance(TimeSpan.FromMinutes(15));
        await LoginAsync(one);
        await RefusedLoginAsync(one.Email, "not the password", 401);
    }

    [Fact]
    public async Task An_address_without_an_account_is_locked_just_the_same()
    {
        for (var i = 0; i < 4; i++) await RefusedLoginAsync("ghost@example.org", "not the password", 401);
        await RefusedLoginAsync("ghost@example.org", "not the password", 429);
    }

    [Fact]
    public async Task A_refresh_token_is_good_once_and_brings_the_next()
    {
        var one = await _server.RegisterAsync();
        var second = await RefreshAsync(one.Tokens.RefreshToken);
        var third = await RefreshAsync(second.RefreshToken);
        (await _server.With(third.AccessToken).GetAsync<UserView>("/v1/auth/me")).UserId.ShouldBe(one.UserId);
    }

    [Fact]
    public async Task A_refresh_token_that_comes_twice_ends_the_whole_sign_in_and_no_other()
    {
        var one = await _server.RegisterAsync();
        var elsewhere = await LoginAsync(one);
        var second = await RefreshAsync(one.Tokens.RefreshToken);

        (await RefusedRefreshAsync(one.Tokens.RefreshToken)).Code.ShouldBe("BAD_REFRESH_TOKEN");
        await RefusedRefreshAsync(second.RefreshToken);
        await _server.With(second.AccessToken).RefusedAsync(HttpMethod.Get, "/v1/auth/me", null, 401);
        await one.Client.RefusedAsync(HttpMethod.Get, "/v1/auth/me", null, 401);

        await RefreshAsync(elsewhere.RefreshToken);
        (await _server.FactsAsync(one.UserId.Value)).OfType<UserLoggedOut>().Single().Reason.ShouldContain("came twice");
    }

    [Fact]
    public async Task Two_at_once_with_the_same_refresh_token_never_both_go_on()
    {
        var one = await _server.RegisterAsync();
        var tries = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => _server.Anonymous().SendAsync(HttpMethod.Post, "/v1/auth/refresh", new RefreshAsked(one.Tokens.RefreshToken))));
        tries.Count(t => t.IsSuccessStatusCode).ShouldBe(1);
        tries.Count(t => (int)t.StatusCode == 401).ShouldBe(5);
    }

    [Fact]
    public async Task A_refresh_token_ends_after_thirty_days()
    {
        var one = await _server.RegisterAsync();
        _server.Clock.Advance(TimeSpan.FromDays(30));
        await RefusedRefreshAsync(one.Tokens.RefreshToken);
    }

    [Fact]
    public async Task Signing_out_ends_every_token_of_the_sign_in_at_once()
    {
        var one = await _server.RegisterAsync();
        await one.Client.DoAsync(HttpMethod.Post, "/v1/auth/logout");
        await one.Client.RefusedAsync(HttpMethod.Get, "/v1/auth/me", null, 401);
        await RefusedRefreshAsync(one.Tokens.RefreshToken);
        await LoginAsync(one);
    }

    [Fact]
    public async Task An_access_token_ends_after_its_time()
    {
        var one = await _server.RegisterAsync();
        _server.Clock.Advance(TimeSpan.FromSeconds(one.Tokens.ExpiresIn - 1));
        await one.Client.GetAsync<UserView>("/v1/auth/me");
        _server.Clock.Advance(TimeSpan.FromSeconds(1));
        await one.Client.RefusedAsync(HttpMethod.Get, "/v1/auth/me", null, 401);
    }

    [Fact]
    public async Task A_changed_password_ends_every_other_sign_in()
    {
        var one = await _server.RegisterAsync();
        var elsewhere = await LoginAsync(one);
        (await one.Client.RefusedAsync(HttpMethod.Post, "/v1/auth/password", new NewPassword("not the password", "a new password"), 401)).Code.ShouldBe("WRONG_PASSWORD");
        await one.Client.DoAsync(HttpMethod.Post, "/v1/auth/password", new NewPassword(one.Password, "a new password"));

        await one.Client.GetAsync<UserView>("/v1/auth/me");
        await RefusedRefreshAsync(elsewhere.RefreshToken);
        await RefusedLoginAsync(one.Email, one.Password, 401);
        await LoginAsync(one with { Password = "a new password" });
        (await _server.FactsAsync(one.UserId.Value)).ShouldContain(f => f is UserPasswordChanged);
    }

    [Fact]
    public async Task Keys_are_published_and_can_be_changed_while_everybody_stays_signed_in()
    {
        var before = await _server.RegisterAsync();
        var keys = await _server.Anonymous().GetAsync<KeySet>("/.well-known/jwks.json");
        var rotated = await _server.Owner().AskAsync<KeySet>(HttpMethod.Post, "/v1/support/signing-keys/rotate", null, 201);
        rotated.Keys.Count.ShouldBe(keys.Keys.Count + 1);
        var fresh = rotated.Keys.Select(k => k.Kid).Except(keys.Keys.Select(k => k.Kid)).Single();
        KidOf((await LoginAsync(before)).AccessToken).ShouldNotBe(fresh, "a key is published before it signs");

        _server.Clock.Advance(TimeSpan.FromMinutes(1));
        var after = await LoginAsync(before);
        KidOf(after.AccessToken).ShouldBe(fresh);
        await before.Client.GetAsync<UserView>("/v1/auth/me");
        await _server.With(after.AccessToken).GetAsync<UserView>("/v1/auth/me");

        _server.Clock.Advance(TimeSpan.FromHours(2));
        (await _server.Anonymous().GetAsync<KeySet>("/.well-known/jwks.json")).Keys.Select(k => k.Kid).ShouldContain(fresh);
        (await _server.Anonymous().GetAsync<KeySet>("/.well-known/jwks.json")).Keys.Select(k => k.Kid).ShouldNotContain(KidOf(before.Tokens.AccessToken));
    }

    [Fact]
    public async Task Anybody_can_check_a_token_with_the_published_keys()
    {
        var one = await _server.RegisterAsync();
        var key = (await _server.Anonymous().GetAsync<KeySet>("/.well-known/jwks.json")).Keys.Single(k => k.Kid == KidOf(one.Tokens.AccessToken));
        using var ec = ECDsa.Create(new ECParameters { Curve = ECCurve.NamedCurves.nistP256, Q = new ECPoint { X = Decoded(key.X), Y = Decoded(key.Y) } });
        var parts = one.Tokens.AccessToken.Split('.');
        ec.VerifyData(System.Text.Encoding.ASCII.GetBytes($"{parts[0]}.{parts[1]}"), Decoded(parts[2]), HashAlgorithmName.SHA256).ShouldBeTrue();
    }

    [Fact]
    public async Task Private_keys_passwords_and_tokens_lie_nowhere_in_the_open()
    {
        var one = await _server.RegisterAsync();
        await RefreshAsync(one.Tokens.RefreshToken);
        var key = await one.Client.AskAsync<ApiKeyView>(HttpMethod.Post, "/v1/api-keys", new NewApiKey("ci", [Permission.RendersRead]), 201);
        await _server.FactsAsync(one.UserId.Value);

        await using var dump = _server.Database.CreateCommand("""
            SELECT string_agg(t.x::text, '') FROM (SELECT u::text x FROM identity.users u UNION ALL SELECT s::text FROM identity.sessions s UNION ALL SELECT r::text FROM identity.refresh_tokens r
            UNION ALL SELECT k::text FROM identity.api_keys k UNION ALL SELECT a::text FROM access.api_keys a UNION ALL SELECT e.data::text || e.headers::text FROM eventstore.mt_events e) t
            """);
        var stored = (string)(await dump.ExecuteScalarAsync())!;
        string[] secrets = [one.Password, one.Tokens.AccessToken, one.Tokens.RefreshToken, key.Secret!, Server.OwnerToken, Server.NodeToken];
        foreach (var secret in secrets)
        {
            stored.ShouldNotContain(secret);
            _server.Log.Lines.ShouldNotContain(line => line.Contains(secret, StringComparison.Ordinal));
        }
        _server.Log.Lines.ShouldContain(line => line.Contains("/v1/auth", StringComparison.Ordinal), "the log was looked at");

        await using var sealedKeys = _server.Database.CreateCommand("SELECT sealed_key FROM identity.signing_keys LIMIT 1");
        var sealedKey = (byte[])(await sealedKeys.ExecuteScalarAsync())!;
        using var ec = ECDsa.Create();
        for (var skip = 0; skip < 40; skip++) Should.Throw<CryptographicException>(() => ec.ImportPkcs8PrivateKey(sealedKey.AsSpan(skip), out _));
    }

    [Fact]
    public async Task Signed_in_stays_signed_in_when_the_server_starts_again()
    {
        var server = new Server();
        await server.InitializeAsync();
        try
        {
            var one = await server.RegisterAsync();
            await server.RestartAsync();
            (await server.With(one.Tokens.AccessToken).GetAsync<UserView>("/v1/auth/me")).UserId.ShouldBe(one.UserId);
        }
        finally
        {
            await server.DisposeAsync();
        }
    }

    static string KidOf(string token) => System.Text.Json.JsonDocument.Parse(Decoded(token.Split('.')[0])).RootElement.GetProperty("kid").GetString()!;

    static byte[] Decoded(string text) => System.Buffers.Text.Base64Url.DecodeFromChars(text);
}
