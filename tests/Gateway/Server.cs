using System.Collections.Concurrent;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.Foundation;
using FlatRender.Host;
using FlatRender.Identity;
using FlatRender.TestKit;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace FlatRender.Gateway.Tests;

/// <summary>The whole host in this process, as `serve --roles all` runs it: real Kestrel, real PostgreSQL, a clock moved by hand. Only its nodes are missing.</summary>
public sealed class Server : IAsyncLifetime
{
    public const string OwnerToken = "the-owners-token-of-this-installation", NodeToken = "the-token-of-its-nodes-0123456789";

    string _home = "";
    OwnDatabase? _database;
    string _connection = null!;
    WebApplication _app = null!;

    public HandClock Clock { get; } = new();
    public Log Log { get; } = new();

    /// <summary>What the server says of itself; every answer is compared with it.</summary>
    public Contract Contract { get; private set; } = null!;
    public string Url => _app.Urls.First();
    public IServiceProvider Services => _app.Services;
    public NpgsqlDataSource Database { get; private set; } = null!;

    /// <summary>How strictly calls are counted.</summary>
    public double Rates { get; init; } = 1e6;

    /// <summary>The server that this one shares database and files with; null: it has its own.</summary>
    public Server? Beside { get; init; }

    /// <summary>What the server reaches its database by; null: directly.</summary>
    public Cable? Cable { get; init; }

    public IdentitySettings Settings { get; init; } = IdentitySettings.Default;

    public async Task InitializeAsync()
    {
        _home = Beside?._home ?? Directory.CreateTempSubdirectory("flatrender-gateway-").FullName;
        if (Beside is null) _database = await OwnDatabase.CreateAsync();
        // Projections, relay and committers keep connections of their own; what is left must do for many callers at once.
        var at = new NpgsqlConnectionStringBuilder(TestDatabase.ConnectionString) { Database = new NpgsqlConnectionStringBuilder(_database?.Source.ConnectionString ?? Beside!._connection).Database, MaxPoolSize = 50 };
        if (Cable is not null) (at.Host, at.Port) = ("127.0.0.1", Cable.Port);
        _connection = at.ConnectionString;
        Database = NpgsqlDataSource.Create(_connection);
        await StartAsync();
    }

    async Task StartAsync()
    {
        var options = new ServeOptions([.. ServeOptions.AllServices], Pipeline: true, "http://127.0.0.1:0",
            new Deployment(_home, _connection, "memory", new Secrets(OwnerToken, NodeToken, "the-orchestrators-secret-of-it")));
        _app = House.Build(options, services => services
            .AddSingleton<TimeProvider>(Clock).AddSingleton(Database).AddSingleton(new RateSettings(Rates)).AddSingleton(Settings)
            // Passwords are hashed for good in FlatRender; here, quickly.
            .Configure<PasswordHasherOptions>(hasher => hasher.IterationCount = 1000)
            .AddContractDocuments()
            .AddLogging(logging => logging.ClearProviders().SetMinimumLevel(LogLevel.Trace).AddProvider(Log)));
        await House.UpdateSchemasAsync(_app, options);
        await _app.StartAsync();
        Contract = await Contract.OfAsync(_app.Services);
        // The first message over a bus takes its time; no test is about that.
        await using var scope = _app.Services.CreateAsyncScope();
        await scope.ServiceProvider.GetRequiredService<MassTransit.IRequestClient<FindTemplate>>().GetResponse<FoundTemplate>(new FindTemplate(default, default), CancellationToken.None, MassTransit.RequestTimeout.After(m: 1));
    }

    /// <summary>Ends the process, as it were, and starts it again on the same data.</summary>
    public async Task RestartAsync()
    {
        await _app.DisposeAsync();
        await StartAsync();
    }

    /// <summary>A bare client. A body that says <c>Expect: 100-continue</c> waits for its answer as long as it takes: on a busy machine a client that waits a second sends all of it after all, and the refusal is lost among bytes that nobody reads.</summary>
    public HttpClient Http() => new(new SocketsHttpHandler { Expect100ContinueTimeout = Timeout.InfiniteTimeSpan }) { BaseAddress = new Uri(Url), Timeout = TimeSpan.FromSeconds(60) };

    public Client Anonymous() => new(Http(), null, Contract);
    public Client Owner() => new(Http(), OwnerToken, Contract);
    public Client With(string token) => new(Http(), token, Contract);

    /// <summary>A new person of a new tenant.</summary>
    public async Task<Person> RegisterAsync(string? email = null)
    {
        email ??= $"{Ids.New():N}@example.org";
        using var anonymous = Anonymous();
        var tokens = await anonymous.AskAsync<SignedIn>(HttpMethod.Post, "/v1/auth/register", new NewAccount(email, "correct horse battery", "Jo", null), 201);
        return new(email, "correct horse battery", tokens, With(tokens.AccessToken));
    }

    public async Task<IReadOnlyList<object>> FactsAsync(Guid stream) =>
        [.. (await Services.GetRequiredService<Streams>().ReadAsync(stream, CancellationToken.None)).Select(e => e.Fact(Vocabulary.All))];

    public async Task DisposeAsync()
    {
        await _app.DisposeAsync();
        await Database.DisposeAsync();
        if (_database is null) return;
        await _database.DisposeAsync();
        Directory.Delete(_home, recursive: true);
    }
}

public sealed record Person(string Email, string Password, SignedIn Tokens, Client Client)
{
    public TenantId TenantId => Tokens.User.TenantId;
    public UserId UserId => Tokens.User.UserId;
}

/// <summary>A caller from outside.</summary>
public sealed class Client : IDisposable
{
    readonly HttpClient _http;
    readonly Contract _contract;

    public Client(HttpClient http, string? token, Contract contract)
    {
        (_http, _contract) = (http, contract);
        if (token is not null) _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
    }

    public async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request)
    {
        var answer = await _http.SendAsync(request);
        await _contract.CheckAsync(answer);
        return answer;
    }

    public Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, object? body = null) =>
        SendAsync(new HttpRequestMessage(method, path) { Content = body as HttpContent ?? (body is null ? null : JsonContent.Create(body, body.GetType(), options: Wire.Json)) });

    public async Task<T> AskAsync<T>(HttpMethod method, string path, object? body = null, int status = 200)
    {
        using var answer = await SendAsync(method, path, body);
        var text = await answer.Content.ReadAsStringAsync();
        ((int)answer.StatusCode).ShouldBe(status, $"{method} {path}: {text}");
        return status == 204 ? default! : JsonSerializer.Deserialize<T>(text, Wire.Json)!;
    }

    public Task<T> GetAsync<T>(string path) => AskAsync<T>(HttpMethod.Get, path);

    /// <summary>The envelope of a refusal.</summary>
    public async Task<ErrorBody> RefusedAsync(HttpMethod method, string path, object? body, int status) => (await AskAsync<ErrorEnvelope>(method, path, body, status)).Error;

    public Task DoAsync(HttpMethod method, string path, object? body = null) => AskAsync<object>(method, path, body, 204);

    public void Dispose() => _http.Dispose();
}

/// <summary>Everything the host logs, as text.</summary>
public sealed class Log : ILoggerProvider
{
    readonly ConcurrentQueue<string> _lines = new();

    public IReadOnlyCollection<string> Lines => _lines;

    public void Clear() => _lines.Clear();

    public ILogger CreateLogger(string category) => new Scribe(category, _lines);

    public void Dispose()
    {
    }

    sealed class Scribe(string category, ConcurrentQueue<string> lines) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;
        public bool IsEnabled(LogLevel level) => true;

        public void Log<TState>(LogLevel level, EventId id, TState state, Exception? exception, Func<TState, Exception?, string> format)
        {
            // A host that runs through all suites would fill the memory.
            if (lines.Count < 200_000) lines.Enqueue($"{level} {category}: {format(state, exception)} {exception}");
        }
    }
}

[CollectionDefinition(Name)]
public sealed class SharedServer : ICollectionFixture<Server>
{
    public const string Name = "a server that is up";
}
