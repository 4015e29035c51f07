namespace FlatRender.Cli;

/// <summary>Commands that belong to the host or the node agent: called with everything they need, in our place.</summary>
public static class PassOn
{
    /// <summary>serve, migrate, audit, projections and deadletters run on the database that was given, or on the private one, which is started for them.</summary>
    public static async Task<int> ToHostAsync(Workplace at, IReadOnlyList<string> args, CancellationToken stop)
    {
        at.Home.Prepare();
        var secrets = Secrets.Of(at.Home);
        var given = at.Variable("FLATRENDER_DATABASE") is { Length: > 0 } || args.Any(a => a == "--database" || a.StartsWith("--database=", StringComparison.Ordinal));
        if (given)
            return await BecomeHostAsync(at, args, Servers.Environment(secrets, at.Variable("FLATRENDER_DATABASE")), stop);

        var postgres = new Servers(at).Postgres(secrets);
        ProcessMark process;
        int port;
        bool started;
        await using (await at.Home.LockAsync(at.Clock, stop))
        {
            started = !postgres.IsRunning;
            (process, port) = await postgres.StartAsync(stop);
        }
        using var leash = new Leash();
        try
        {
            if (started)
                leash.Hold(process, Signals.Interrupt);
            return await BecomeHostAsync(at, args, Servers.Environment(secrets, PrivatePostgres.ConnectionString(port, secrets.DatabasePassword)), stop);
        }
        finally
        {
            await using var held = await at.Home.LockAsync(at.Clock, CancellationToken.None);
            if (started && RunNote.Read(at.Home)?.Postgres != process)
                await PrivatePostgres.StopAsync(process, at.Clock);
        }
    }

    public static Task<int> ToNodeAsync(Workplace at, IReadOnlyList<string> args, CancellationToken stop)
    {
        Servers.MustExist(at.NodeAgentDll);
        return Programs.BecomeAsync(["dotnet", at.NodeAgentDll, .. args], environment: null, at.Folder, stop);
    }

    static Task<int> BecomeHostAsync(Workplace at, IReadOnlyList<string> args, IReadOnlyDictionary<string, string> environment, CancellationToken stop)
    {
        Servers.MustExist(at.HostDll);
        var home = new Dictionary<string, string>(environment) { ["FLATRENDER_HOME"] = at.Home.Folder };
        if (at.Variable("FLATRENDER_BROKER") is { Length: > 0 } broker)
            home["FLATRENDER_BROKER"] = broker;
        return Programs.BecomeAsync(["dotnet", at.HostDll, .. args], home, at.Folder, stop);
    }
}
