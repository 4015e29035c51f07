using FlatRender.Host;

// The server's only executable. A room of the house is a service; which rooms are open is said by --roles.
return args switch
{
    ["serve", .. var rest] => await House.ServeAsync(ServeOptions.Parse(rest)),
    _ => Usage(),
};

static int Usage()
{
    Console.Error.WriteLine("""
        usage: FlatRender.Host serve [--roles all|gateway,render,...] [--urls URL] [--home DIR] [--broker memory|amqp://...] [--database CONNECTION]
        Secrets and the database come from the environment: FLATRENDER_DATABASE, FLATRENDER_API_TOKEN, FLATRENDER_NODE_TOKEN, FLATRENDER_ORCHESTRATOR_SECRET.
        """);
    return 2;
}
