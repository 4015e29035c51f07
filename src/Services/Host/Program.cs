using FlatRender.Host;
using Npgsql;

// The server's only executable. A room of the house is a service; which rooms are open is said by --roles (see ServeOptions).
using var stop = new CancellationTokenSource();
Console.CancelKeyPress += (_, key) =>
{
    key.Cancel = true;
    stop.Cancel();
};
try
{
    return args switch
    {
        ["serve", .. var rest] => await House.ServeAsync(ServeOptions.Parse(rest)),
        ["migrate", .. var rest] => await WithDatabase(database => MigrateCommand.RunAsync(rest, database, ServeOptions.AllServices, stop.Token)),
        ["audit", .. var rest] => await WithDatabase(database => AuditCommand.RunAsync(rest, database, stop.Token)),
        ["projections", .. var rest] => await WithDatabase(database => ProjectionsCommand.RunAsync(rest, database, stop.Token)),
        ["deadletters", .. var rest] => await DeadLettersCommand.RunAsync(rest, ServeOptions.BrokerGiven, stop.Token),
        _ => Usage(),
    };
}
catch (UsageException e)
{
    Console.Error.WriteLine(e.Message);
    return 2;
}
catch (NpgsqlException e)
{
    Console.Error.WriteLine($"The database does not answer: {e.Message}");
    return 1;
}

static async Task<int> WithDatabase(Func<NpgsqlDataSource, Task<int>> work)
{
    await using var database = NpgsqlDataSource.Create(ServeOptions.DatabaseGiven ?? throw new UsageException("No database: set FLATRENDER_DATABASE."));
    return await work(database);
}

static int Usage()
{
    Console.Error.WriteLine("""
        usage: FlatRender.Host serve [--roles all|gateway,render,...] [--urls URL] [--home DIR] [--broker memory|amqp://...] [--database CONNECTION]
                                     [--prefetch 32] [--concurrency 16] [--ping SECONDS] [--pong SECONDS] [--messages FILE]
               FlatRender.Host migrate | audit ... | projections ... | deadletters ...
        Roles: all, or names; a name after a minus is left out: all,-render,-pipeline. Several brokers of one cluster stand with commas between them.
        Secrets, database and broker come from the environment: FLATRENDER_DATABASE, FLATRENDER_BROKER, FLATRENDER_API_TOKEN, FLATRENDER_NODE_TOKEN, FLATRENDER_ORCHESTRATOR_SECRET,
        and FLATRENDER_IDENTITY_SECRET (what keys and secrets in the database are sealed with; without it, the API token).
        FLATRENDER_WEBHOOKS_MAY: nothing, or http, private, or both with a comma: where webhooks may lead beside https: on the open internet.
        """);
    return 2;
}
