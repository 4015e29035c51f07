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
        services.AddSingleton<Telling>();
        services.AddHostedService(s => s.GetRequiredService<Telling>());
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
        auth.MapPost("register", AuthDoor.RegisterAsync).AllowAnonymous().WithMetadata(Rate.Guessing);
        auth.MapPost("login", AuthDoor.LoginAsync).AllowAnonymous().WithMetadata(Rate.Guessing);
        auth.MapPost("refresh", AuthDoor.RefreshAsync).AllowAnonymous().WithMetadata(Rate.Guessing);
        auth.MapPost("logout", AuthDoor.LogoutAsync).ForPeople();
        auth.MapGet("me", AuthDoor.MeAsync).ForPeople();
        auth.MapPost("password", AuthDoor.PasswordAsync).ForPeople().WithMetadata(Rate.Guessing);
        routes.MapGet("/.well-known/jwks.json", AuthDoor.KeysAsync).AllowAnonymous().WithTags("auth");

        var users = routes.MapGroup("/v1/users").Needs(Permission.UsersManage).WithTags("users");
        users.MapGet("", PeopleDoor.ListAsync);
        users.MapPost("", PeopleDoor.AddAsync);
        users.MapPut("{id}/roles", PeopleDoor.RolesAsync);
        users.MapDelete("{id}", PeopleDoor.RemoveAsync);

        var keys = routes.MapGroup("/v1/api-keys").Needs(Permission.ApiKeysManage).WithTags("api-keys");
        keys.MapGet("", ApiKeyDoor.ListAsync);
        keys.MapPost("", ApiKeyDoor.IssueAsync);
        keys.MapDelete("{id:guid}", ApiKeyDoor.RevokeAsync);

        var credits = routes.MapGroup("/v1/credits").Needs(Permission.CreditsRead).WithTags("credits");
        credits.MapGet("", CreditsDoor.GetAsync);
        credits.MapGet("entries", CreditsDoor.EntriesAsync);

        var support = routes.MapGroup("/v1/support").Needs(Permission.SupportWrite).WithTags("support");
        support.MapPost("signing-keys/rotate", AuthDoor.RotateAsync);
        support.MapPost("service-tokens", AuthDoor.ServiceTokenAsync);
        support.MapPost("tenants/{id}/credits", CreditsDoor.GrantAsync);
        support.MapPut("tenants/{id}/quota", CreditsDoor.QuotaAsync);
    }
}
