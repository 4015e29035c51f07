using FlatRender.EventStore;
using FlatRender.Foundation;
using Npgsql;

namespace FlatRender.Host;

/// <summary><c>flatrender migrate</c>: brings the database to this build's shape without serving. Every start does the same.</summary>
static class MigrateCommand
{
    /// <param name="services">The rooms whose schemas are to be brought up to date too.</param>
    public static async Task<int> RunAsync(string[] args, NpgsqlDataSource database, IEnumerable<Service> services, CancellationToken cancel)
    {
        if (args.Length > 0)
        {
            Console.Error.WriteLine("usage: flatrender migrate");
            return 2;
        }

        await Migration.ApplyAsync(database, "eventstore", cancel);
        Console.WriteLine("eventstore is up to date.");
        await Tokens.UpdateSchemaAsync(database, cancel);
        Console.WriteLine("access is up to date.");
        foreach (var service in services)
        {
            await service.UpdateSchemaAsync(database, cancel);
            Console.WriteLine($"{service.Role} is up to date.");
        }
        return 0;
    }
}
