using MassTransit;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace FlatRender.Foundation;

/// <summary>One room of the house. It lists what it registers, consumes and maps; the host decides which rooms are open.</summary>
public abstract class Service
{
    /// <summary>The name <c>--roles</c> knows it by.</summary>
    public abstract string Role { get; }

    /// <summary>Brings the service's own schema up to date. Runs before anything else of it, at every start.</summary>
    public virtual Task UpdateSchemaAsync(NpgsqlDataSource database, CancellationToken cancel) => Task.CompletedTask;

    public abstract void Register(IServiceCollection services);

    public virtual void Consume(IBusRegistrationConfigurator bus)
    {
    }

    public virtual void Map(IEndpointRouteBuilder routes)
    {
    }
}

/// <summary>Where and how this process runs.</summary>
/// <param name="Home">The folder for blobs and scratch files.</param>
/// <param name="Broker">"memory", or an amqp: or rabbitmq: address.</param>
public sealed record Deployment(string Home, string Database, string Broker, Secrets Secrets)
{
    public bool InMemory => Broker == "memory";
}

/// <summary>Shared secrets, from the environment only: they stand in no command line and no log.</summary>
/// <param name="ApiToken">What the owner of this installation calls with.</param>
/// <param name="NodeToken">What node agents call home with.</param>
/// <param name="OrchestratorSecret">What calls to node agents are signed with.</param>
/// <param name="IdentitySecret">What private keys in the database are sealed with; null: the API token.</param>
public sealed record Secrets(string ApiToken, string NodeToken, string OrchestratorSecret, string? IdentitySecret = null)
{
    public string SealingKey => IdentitySecret ?? ApiToken;
    public override string ToString() => "(secrets)";
}
