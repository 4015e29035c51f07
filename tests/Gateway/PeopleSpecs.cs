using System.Net.Http.Headers;
using FlatRender.Contracts;

namespace FlatRender.Gateway.Tests;

/// <summary>A tenant's people, their roles, its keys, and services of ours.</summary>
[Collection(SharedServer.Name)]
public sealed class PeopleSpecs(Server server)
{
    static string Email() => $"{Ids.New():N}@example.org";

    async Task<Person> AddAsync(Client by, params string[] roles)
    {
        var email = Email();
        var view = await by.AskAsync<UserView>(HttpMethod.Post, "/v1/users", new NewUser(email, "a long password", "Kim", roles), 201);
        view.Roles.ShouldBe(roles);
        var tokens = await server.Anonymous().AskAsync<SignedIn>(HttpMethod.Post, "/v1/auth/login", new Credentials(email, "a long password"));
        return new(email, "a long password", tokens, server.With(tokens.AccessToken));
    }

    [Fact]
    public async Task A_member_works_with_renders_and_not_with_people()
    {
        var owner = await server.RegisterAsync();
        var member = await AddAsync(owner.Client, Role.Member);
        member.TenantId.ShouldBe(owner.TenantId);
        await member.Client.GetAsync<Page<RenderView>>("/v1/renders");
        await member.Client.RefusedAsync(HttpMethod.Get, "/v1/users", null, 403);
        await member.Client.RefusedAsync(HttpMethod.Get, "/v1/api-keys", null, 403);
        await member.Client.RefusedAsync(HttpMethod.Get, "/v1/support/usage", null, 403);
        (await owner.Client.GetAsync<Page<UserView>>("/v1/users")).Items.Select(u => u.UserId).ShouldBe([owner.UserId, member.UserId], ignoreOrder: true);
    }

    [Fact]
    public async Task A_tenants_owner_makes_nobody_support()
    {
        var owner = await server.RegisterAsync();
        foreach (var role in new[] { Role.Support, Role.Auditor, "root" })
            (await owner.Client.RefusedAsync(HttpMethod.Post, "/v1/users", new NewUser(Email(), "a long password", "Kim", [role]), 422)).Details.Single().Code.ShouldBe("BAD_ROLES");
        var member = await AddAsync(owner.Client, Role.Member);
        await owner.Client.RefusedAsync(HttpMethod.Put, $"/v1/users/{member.UserId}/roles", new RolesGiven([Role.Support]), 422);
    }

    [Fact]
    public async Task Support_reads_and_changes_and_an_auditor_only_reads()
    {
        var support = await AddAsync(server.Owner(), Role.Support);
        var auditor = await AddAsync(server.Owner(), Role.Auditor);
        foreach (var who in new[] { support, auditor })
        {
            await who.Client.GetAsync<object>("/v1/support/projections");
            await who.Client.RefusedAsync(HttpMethod.Get, "/v1/renders", null, 403);
        }
        (await support.Client.SendAsync(HttpMethod.Post, "/v1/support/projections/job_view/resume")).IsSuccessStatusCode.ShouldBeTrue();
        await auditor.Client.RefusedAsync(HttpMethod.Post, "/v1/support/projections/job_view/resume", null, 403);
        await auditor.Client.RefusedAsync(HttpMethod.Post, "/v1/support/signing-keys/rotate", null, 403);
    }

    [Fact]
    public async Task A_person_whose_roles_change_signs_in_again()
    {
        var owner = await server.RegisterAsync();
        var member = await AddAsync(owner.Client, Role.Member);
        await owner.Client.AskAsync<UserView>(HttpMethod.Put, $"/v1/users/{member.UserId}/roles", new RolesGiven([Role.Owner]));
        await member.Client.RefusedAsync(HttpMethod.Get, "/v1/auth/me", null, 401);
        await owner.Client.RefusedAsync(HttpMethod.Put, $"/v1/users/{owner.UserId}/roles", new RolesGiven([Role.Member]), 409);
        (await server.FactsAsync(member.UserId.Value)).OfType<UserRolesChanged>().Single().By.ShouldBe($"user {owner.UserId}");
    }

    [Fact]
    public async Task A_person_who_was_removed_is_out()
    {
        var owner = await server.RegisterAsync();
        var member = await AddAsync(owner.Client, Role.Member);
        await owner.Client.DoAsync(HttpMethod.Delete, $"/v1/users/{member.UserId}");
        await member.Client.RefusedAsync(HttpMethod.Get, "/v1/auth/me", null, 401);
        await server.Anonymous().RefusedAsync(HttpMethod.Post, "/v1/auth/login", new Credentials(member.Email, member.Password), 401);
        await owner.Client.RefusedAsync(HttpMethod.Delete, $"/v1/users/{member.UserId}", null, 404);
        await owner.Client.RefusedAsync(HttpMethod.Delete, $"/v1/users/{owner.UserId}", null, 409);
        (await server.FactsAsync(member.UserId.Value)).ShouldContain(f => f is UserRemoved);
    }

    [Fact]
    public async Task An_api_key_is_given_no_more_than_renders_need()
    {
        var owner = await server.RegisterAsync();
        foreach (var scope in new[] { Permission.UsersManage, Permission.ApiKeysManage, Permission.SupportRead, "everything" })
            await owner.Client.RefusedAsync(HttpMethod.Post, "/v1/api-keys", new NewApiKey("too much", [scope]), 422);
    }

    [Fact]
    public async Task A_service_acts_for_the_tenant_it_names()
    {
        var owner = await server.RegisterAsync();
        await Renders.UploadAsync(owner.Client);
        var token = await server.Owner().AskAsync<ServiceToken>(HttpMethod.Post, "/v1/support/service-tokens", new NewServiceToken("reseller"), 201);
        var service = server.With(token.AccessToken);
        await service.RefusedAsync(HttpMethod.Get, "/v1/templates", null, 401);

        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/templates") { Headers = { { "X-Tenant-Id", owner.TenantId.ToString() } } };
        using var answer = await service.SendAsync(request);
        (await answer.Content.ReadAsStringAsync()).ShouldContain("\"total\":1");
    }

    [Fact]
    public async Task A_person_stays_in_their_tenant_whatever_header_they_send()
    {
        var (one, other) = (await server.RegisterAsync(), await server.RegisterAsync());
        await Renders.UploadAsync(other.Client);
        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/templates") { Headers = { { "X-Tenant-Id", other.TenantId.ToString() } } };
        using var answer = await one.Client.SendAsync(request);
        (await answer.Content.ReadAsStringAsync()).ShouldContain("\"total\":0");
    }
}
