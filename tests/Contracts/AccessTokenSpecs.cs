using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace FlatRender.Contracts.Tests;

/// <summary>What an access token opens, and what no token opens, however it is made.</summary>
public sealed class AccessTokenSpecs : IDisposable
{
    static readonly DateTimeOffset Now = new(2026, 5, 27, 10, 15, 0, TimeSpan.Zero);
    static readonly AccessClaims Claims = new(
        new UserId(Ids.New()), new TenantId(Ids.New()), Ids.New(), [Role.Owner], Permission.Of(Role.Owner), Now, Now.AddMinutes(15));

    readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    readonly ECDsa _stranger = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    Dictionary<string, VerificationKey> Keys => new() { ["k1"] = new("k1", AccessToken.Alg, _key) };

    string Good => AccessToken.Sign(Claims, "k1", _key);

    AccessReading Read(string token, DateTimeOffset? at = null) => AccessToken.Read(token, Keys, at ?? Now);

    [Fact]
    public void A_token_says_what_was_signed()
    {
        var read = Read(Good);
        read.Why.ShouldBe("");
        (read.Claims! with { Roles = [], Permissions = [] }).ShouldBe(Claims with { Roles = [], Permissions = [] });
        read.Claims.Roles.ShouldBe(Claims.Roles);
        read.Claims.Permissions.ShouldBe(Claims.Permissions);
    }

    [Fact]
    public void A_token_is_read_until_the_second_it_expires()
    {
        Read(Good, Claims.ExpiresAt.AddSeconds(-1)).Claims.ShouldNotBeNull();
        Read(Good, Claims.ExpiresAt).Why.ShouldBe("It has expired.");
    }

    [Fact]
    public void A_token_that_is_not_valid_yet_opens_nothing()
    {
        Read(Good, Now.AddSeconds(-20)).Claims.ShouldNotBeNull("two clocks differ a little");
        Read(Good, Now.AddMinutes(-5)).Why.ShouldBe("It is not valid yet.");
    }

    [Theory]
    [InlineData("none")]
    [InlineData("None")]
    [InlineData("nOnE")]
    [InlineData("")]
    public void Without_a_signature_it_opens_nothing(string alg)
    {
        Refused(Forged(header => header["alg"] = alg, _ => { }, _ => []));
        Refused(Forged(header => header["alg"] = alg, _ => { }, Signed(_key)));
    }

    [Fact]
    public void Signed_with_the_public_key_as_a_secret_it_opens_nothing()
    {
        foreach (var secret in new[] { _key.ExportSubjectPublicKeyInfo(), Encoding.ASCII.GetBytes(_key.ExportSubjectPublicKeyInfoPem()) })
            Refused(Forged(header => header["alg"] = "HS256", _ => { }, signed => HMACSHA256.HashData(secret, signed)));
    }

    [Theory]
    [InlineData("RS256")]
    [InlineData("ES384")]
    [InlineData("PS256")]
    [InlineData("es256")]
    public void An_algorithm_other_than_the_keys_own_opens_nothing(string alg) => Refused(Forged(header => header["alg"] = alg, _ => { }, Signed(_key)));

    [Fact]
    public void A_key_that_the_token_brings_along_or_points_to_is_not_used()
    {
        var p = _stranger.ExportParameters(false);
        var jwk = new JsonObject { ["kty"] = "EC", ["crv"] = "P-256", ["x"] = Base64Url.EncodeToString(p.Q.X), ["y"] = Base64Url.EncodeToString(p.Q.Y), ["kid"] = "k1" };
        Refused(Forged(header => header["jwk"] = jwk, _ => { }, Signed(_stranger)));
        Refused(Forged(header => header["jku"] = "https://example.org/keys.json", _ => { }, Signed(_stranger)));
        Refused(Forged(header => header["x5u"] = "https://example.org/key.pem", _ => { }, Signed(_stranger)));
    }

    [Theory]
    [InlineData("k2")]
    [InlineData("")]
    [InlineData("../../dev/null")]
    [InlineData("k1' OR '1'='1")]
    [InlineData("k1\0")]
    public void A_key_id_is_looked_up_and_nothing_else(string kid)
    {
        Refused(Forged(header => header["kid"] = kid, _ => { }, Signed(_stranger)));
        Refused(Forged(header => header["kid"] = kid, _ => { }, Signed(_key)));
        Refused(Forged(header => header.Remove("kid"), _ => { }, Signed(_key)));
    }

    [Fact]
    public void A_payload_that_was_changed_opens_nothing()
    {
        var parts = Good.Split('.');
        foreach (var change in new Action<JsonObject>[] { p => p["tenant_id"] = Ids.New().ToString(), p => p["user_id"] = Ids.New().ToString(), p => p["roles"] = new JsonArray("support"), p => p["exp"] = long.MaxValue })
        {
            var payload = Parsed(parts[1]);
            change(payload);
            Refused($"{parts[0]}.{Part(payload)}.{parts[2]}");
        }
    }

    [Fact]
    public void A_signature_of_a_stranger_opens_nothing() => Refused(Forged(_ => { }, _ => { }, Signed(_stranger)));

    [Fact]
    public void Made_for_others_or_by_others_it_opens_nothing()
    {
        Refused(Forged(_ => { }, p => p["aud"] = "another", Signed(_key)), "It was made for another audience.");
        Refused(Forged(_ => { }, p => p.Remove("aud"), Signed(_key)), "It was made for another audience.");
        Refused(Forged(_ => { }, p => p["iss"] = "another", Signed(_key)), "Another issuer made it.");
    }

    [Theory]
    [InlineData("exp")]
    [InlineData("iat")]
    [InlineData("user_id")]
    [InlineData("tenant_id")]
    [InlineData("sid")]
    public void What_leaves_out_what_it_must_say_opens_nothing(string member) => Refused(Forged(_ => { }, p => p.Remove(member), Signed(_key)));

    [Fact]
    public void A_member_said_twice_opens_nothing()
    {
        var header = Base64Url.EncodeToString("""{"alg":"ES256","kid":"k1"}"""u8);
        var payload = Base64Url.EncodeToString(Encoding.UTF8.GetBytes(Parsed(Good.Split('.')[1]).ToJsonString().Insert(1, "\"exp\":99999999999,")));
        Refused($"{header}.{payload}.{Base64Url.EncodeToString(Signed(_key)(Encoding.ASCII.GetBytes($"{header}.{payload}")))}");
    }

    [Fact]
    public void Demands_that_we_do_not_understand_open_nothing() => Refused(Forged(header => header["crit"] = new JsonArray("b64"), _ => { }, Signed(_key)));

    [Fact]
    public void What_is_far_too_long_is_not_even_looked_at()
    {
        AccessToken.LooksLikeOne(new string('a', 100_000) + ".b.c").ShouldBeFalse();
        Refused(new string('a', 100_000) + ".b.c", "It is not a token of ours.");
        Refused(Forged(_ => { }, p => p["padding"] = new string('x', 100_000), Signed(_key)), "It is not a token of ours.");
    }

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("..")]
    [InlineData("...")]
    [InlineData("a.b")]
    [InlineData("é.ü.ß")]
    [InlineData("e30.e30.e30")]
    [InlineData("bnVsbA.bnVsbA.bnVsbA")]
    [InlineData("W10.W10.W10")]
    public void What_is_no_token_opens_nothing(string text) => Refused(text);

    [Fact]
    public void A_signature_in_another_encoding_opens_nothing() => Refused(Forged(_ => { }, _ => { }, signed => _key.SignData(signed, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence)));

    [Fact]
    public void Any_single_character_changed_opens_nothing()
    {
        var good = Good;
        var random = new Random(7);
        for (var i = 0; i < good.Length - 1; i++)
        {
            var other = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.="[random.Next(66)];
            if (other != good[i]) Refused(good[..i] + other + good[(i + 1)..]);
        }
    }

    void Refused(string token, string? why = null)
    {
        var read = Read(token);
        read.Claims.ShouldBeNull(token.Length < 2000 ? token : "");
        read.Why.ShouldNotBeEmpty();
        if (why is not null) read.Why.ShouldBe(why);
    }

    static Func<byte[], byte[]> Signed(ECDsa key) => signed => key.SignData(signed, HashAlgorithmName.SHA256);

    string Forged(Action<JsonObject> header, Action<JsonObject> payload, Func<byte[], byte[]> sign)
    {
        var parts = Good.Split('.');
        var (h, p) = (Parsed(parts[0]), Parsed(parts[1]));
        header(h);
        payload(p);
        var signed = $"{Part(h)}.{Part(p)}";
        return $"{signed}.{Base64Url.EncodeToString(sign(Encoding.ASCII.GetBytes(signed)))}";
    }

    static JsonObject Parsed(string part) => JsonNode.Parse(Base64Url.DecodeFromChars(part))!.AsObject();

    static string Part(JsonObject part) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(part.ToJsonString()));

    public void Dispose()
    {
        _key.Dispose();
        _stranger.Dispose();
    }
}
