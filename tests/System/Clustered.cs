using System.Net;
using FlatRender.Cli;
using FlatRender.Contracts;
using Npgsql;

namespace FlatRender.SystemTests;

/// <summary>FlatRender apart: a private PostgreSQL and RabbitMQ, two render processes, two gateways, three agents, by the command that everybody uses.</summary>
public sealed class Clustered : IAsyncLifetime
{
    NpgsqlDataSource? _database;

    public Installation At { get; } = new();
    public Home Home => new(Path.Combine(At.Home.Folder, "cluster"));
    public ClusterNote Note => ClusterNote.Read(Home) ?? throw new InvalidOperationException("No cluster runs.");
    public FlatRender.Cli.Secrets Secrets => FlatRender.Cli.Secrets.Of(Home);
    public Book Book => new(_database ??= NpgsqlDataSource.Create(PrivatePostgres.ConnectionString(Note[ClusterPart.Database].Port, Secrets.DatabasePassword) + ";Pooling=false"));
    public Api Api(string part) => new(Note[part].Url, Secrets.ApiToken, TimeProvider.System);

    public Task InitializeAsync() => UpAsync();

    /// <summary>Starts it, or again what of it has ended.</summary>
    public async Task UpAsync()
    {
        var said = await At.RunAsync("cluster", "up");
        said.ExitCode.ShouldBe(0, $"{said}");
    }

    public async Task DisposeAsync()
    {
        if (_database is not null)
            await _database.DisposeAsync();
        await At.RunAsync("cluster", "down");
        await At.DisposeAsync();
    }

    /// <summary>The status of a part's readiness, or null where nobody answers.</summary>
    public async Task<HttpStatusCode?> ReadyAsync(string part)
    {
        using var http = new HttpClient { Timeout = TimeSpan.FromSeconds(10) };
        try
        {
            using var answer = await http.GetAsync(Note[part].Url + "/health/ready");
            return answer.StatusCode;
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException)
        {
            return null;
        }
    }

    /// <summary>Begins a render, and freezes its engines in its middle.</summary>
    public async Task<Frozen> FrozenAsync(string film, params IEnumerable<string> options)
    {
        using var api = Api("gateway-1");
        return await Frozen.CatchAsync(At, api, Book, film, () => At.Start(["cluster", "render", Checkout.TitleCard, "-o", film, .. options]));
    }

    public IReadOnlyList<FrameMark> Marks(JobId job) => [.. Installation.Manifests(job, Home).SelectMany(m => m.Frames).Distinct().OrderBy(f => f.Index)];
}

[CollectionDefinition(Name)]
public sealed class ClusterTests : ICollectionFixture<Clustered>
{
    public const string Name = "a cluster";
}
