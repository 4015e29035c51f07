namespace FlatRender.Cli;

/// <summary>A PostgreSQL and a RabbitMQ for tests and measurements: on folders and ports of their own, gone afterwards.</summary>
public sealed class TestServers : IAsyncDisposable
{
    readonly Workplace _at;
    readonly Leash _leash = new();
    readonly List<ProcessMark> _rabbit = [];
    ProcessMark? _postgres;

    TestServers(Workplace at) => _at = at;

    /// <summary>What the tests read: FLATRENDER_TEST_DATABASE (a superuser's connection string) and FLATRENDER_TEST_RABBITMQ (an amqp address).</summary>
    public Dictionary<string, string> Variables { get; } = [];

    /// <param name="durable">Commits wait for the disk: measurements want that, tests do not.</param>
    public static async Task<TestServers> StartAsync(Workplace at, bool durable, CancellationToken stop)
    {
        at.Home.Prepare();
        var servers = new TestServers(at);
        try
        {
            // The two start side by side.
            await Task.WhenAll(servers.StartPostgresAsync(durable, stop), servers.StartRabbitAsync(stop));
            return servers;
        }
        catch
        {
            await servers.DisposeAsync();
            throw;
        }
    }

    async Task StartPostgresAsync(bool durable, CancellationToken stop)
    {
        var password = Secrets.Of(_at.Home).DatabasePassword;
        var postgres = new PrivatePostgres(_at.Home, durable ? "bench-postgres" : "test-postgres", durable, password, _at.Clock);
        (_postgres, var port) = await postgres.StartAsync(stop);
        _leash.Hold(_postgres, Signals.Interrupt);
        Variables["FLATRENDER_TEST_DATABASE"] = PrivatePostgres.ConnectionString(port, password);
    }

    async Task StartRabbitAsync(CancellationToken stop)
    {
        var (processes, url) = await new PrivateRabbit(_at.Home, _at.Clock).StartAsync(_leash, stop);
        _rabbit.AddRange(processes);
        Variables["FLATRENDER_TEST_RABBITMQ"] = url;
    }

    public async ValueTask DisposeAsync()
    {
        await PrivateRabbit.StopAsync(_rabbit, _at.Clock);
        if (_postgres is not null)
            await PrivatePostgres.StopAsync(_postgres, _at.Clock);
        _leash.Dispose();
    }
}
