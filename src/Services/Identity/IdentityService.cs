using FlatRender.Contracts;
using FlatRender.Foundation;
using MassTransit;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Identity;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Npgsql;

namespace FlatRender.Identity;

/// <summary>How long things last, and how much is given.</summary>
/// <param name="WelcomeMinor">Credits of a new tenant.</param>
/// <param name="OwnMinor">Credits of the installation's own tenant.</param>
/// <param name="MaxActiveRenders">Of a new tenant.</param>
public sealed record IdentitySettings(TimeSpan Access, TimeSpan Refresh, TimeSpan Service, int FailuresBeforeLock, TimeSpan Lock, TimeSpan ClaimPatience, long WelcomeMinor, long OwnMinor, int MaxActiveRenders)
{
    public static readonly IdentitySettings Default = new(
        Access: TimeSpan.FromMinutes(15), Refresh: TimeSpan.FromDays(30), Service: TimeSpan.FromHours(1), FailuresBeforeLock: 5, Lock: TimeSpan.FromMinutes(15), ClaimPatience: TimeSpan.FromMinutes(15),
        WelcomeMinor: 100_000, OwnMinor: 1_000_000_000_000_000, MaxActiveRenders: 1000);
}

/// <summary>Who people are, what they may do, and what they have to spend.</summary>
public sealed class IdentityService : Service
{
    public override string Role => "identity";

    public override Task UpdateSchemaAsync(NpgsqlDataSource database, CancellationToken cancel) =>
        Schema.UpdateAsync(database, "identity", typeof(IdentityService).Assembly, cancel);

    public override void Register(IServiceCollection services)
    {
        services.TryAddSingleton(IdentitySettings.Default);
        services.AddSingleton<IPasswordHasher<Account>, PasswordHasher<Account>>();
        services.AddSingleton<SigningKeys>();
        services.AddSingleton<Lockout>();
        services.AddSingleton<Accounts>();
        services.AddSingleton<Sessions>();
        services.AddSingleton<ApiKeys>();
        services.AddSingleton<Purses>();
    }

    public override void Consume(IBusRegistrationConfigurator bus) => bus.AddConsumer<CreditOrders, CreditOrdersDefinition>();

    public override void Map(IEndpointRouteBuilder routes)
    {
        var auth = routes.MapGroup("/v1/auth").WithTags("auth");
        auth.MapPost("register", AuthDoor.RegisterAsync).Tells<SignedIn>("Register", "Makes an account and a tenant of its own, and signs in.", 201, 409, 415, 422).AllowAnonymous().WithMetadata(Rate.Guessing);
        auth.MapPost("login", AuthDoor.LoginAsync).Tells<SignedIn>("Login", "Signs in.", 200, 415).AllowAnonymous().WithMetadata(Rate.Guessing);
        auth.MapPost("refresh", AuthDoor.RefreshAsync).Tells<SignedIn>("Refresh", "The next pair of tokens, for a refresh token that is good once.", 200, 415).AllowAnonymous().WithMetadata(Rate.Guessing);
        auth.MapPost("logout", AuthDoor.LogoutAsync).Tells("Logout", "Ends the sign-in and every token of it.", 204, null).ForPeople();
        auth.MapGet("me", AuthDoor.MeAsync).Tells<UserView>("Me", "Who calls.", 200).ForPeople();
        auth.MapPost("password", AuthDoor.PasswordAsync).Tells("ChangePassword", "Changes the password and ends every other sign-in.", 204, null, 409, 415, 422).ForPeople().WithMetadata(Rate.Guessing);
        routes.MapGet("/.well-known/jwks.json", AuthDoor.KeysAsync).Tells<KeySet>("GetKeys", "The public keys that access tokens are checked with.", 200).AllowAnonymous().WithTags("auth");

        var users = routes.MapGroup("/v1/users").Needs(Permission.UsersManage).WithTags("users");
        users.MapGet("", PeopleDoor.ListAsync).Tells<Page<UserView>>("ListUsers", "The tenant's people.", 200, 422);
        users.MapPost("", PeopleDoor.AddAsync).Tells<UserView>("AddUser", "Adds a person to the tenant.", 201, 409, 415, 422);
        users.MapPut("{id}/roles", PeopleDoor.RolesAsync).Tells<UserView>("GiveRoles", "Gives a person other roles; they sign in again.", 200, 404, 409, 415, 422);
        users.MapDelete("{id}", PeopleDoor.RemoveAsync).Tells("RemoveUser", "Removes a person.", 204, null, 404, 409);

        var keys = routes.MapGroup("/v1/api-keys").Needs(Permission.ApiKeysManage).WithTags("api-keys");
        keys.MapGet("", ApiKeyDoor.ListAsync).Tells<Page<ApiKeyView>>("ListApiKeys", "The tenant's API keys, without their secrets.", 200, 422);
        keys.MapPost("", ApiKeyDoor.IssueAsync).Tells<ApiKeyView>("IssueApiKey", "Issues an API key; its secret is said this once.", 201, 415, 422);
        keys.MapDelete("{id:guid}", ApiKeyDoor.RevokeAsync).Tells("RevokeApiKey", "Revokes an API key.", 204, null, 404);

        var credits = routes.MapGroup("/v1/credits").Needs(Permission.CreditsRead).WithTags("credits");
        credits.MapGet("", CreditsDoor.GetAsync).Tells<CreditsView>("GetCredits", "What the tenant has to spend.", 200);
        credits.MapGet("entries", CreditsDoor.EntriesAsync).Tells<Page<CreditEntry>>("ListCreditEntries", "The tenant's ledger, newest first.", 200, 422);

        var support = routes.MapGroup("/v1/support").Needs(Permission.SupportWrite).WithTags("support");
        support.MapPost("signing-keys/rotate", AuthDoor.RotateAsync).Tells<KeySet>("RotateSigningKeys", "Publishes a new signing key, which signs from shortly after.", 201);
        support.MapPost("service-tokens", AuthDoor.ServiceTokenAsync).Tells<ServiceToken>("IssueServiceToken", "A token for a service that acts for the tenant it names in X-Tenant-Id.", 201, 415, 422);
        support.MapPost("tenants/{id}/credits", CreditsDoor.GrantAsync).Tells<CreditsView>("GrantCredits", "Grants credits; the same key is the same grant.", 201, 404, 415, 422);
        support.MapPut("tenants/{id}/quota", CreditsDoor.QuotaAsync).Tells<CreditsView>("SetQuota", "Sets how many renders may be under way at once.", 200, 404, 415, 422);
    }
}
