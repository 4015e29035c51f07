using FlatRender.EventStore;
using Npgsql;

namespace FlatRender.Host;

/// <summary><c>flatrender projections</c>: how they stand; rebuild one; let a stopped one go on. The running server does the work.</summary>
static class ProjectionsCommand
{
    const string Usage = """
        usage: flatrender projections [status]
               flatrender projections rebuild NAME   beside the live one; returns when it has taken its place
               flatrender projections resume NAME    after what stopped it is mended
        """;

    static readonly TimeSpan Look = TimeSpan.FromMilliseconds(500), Patience = TimeSpan.FromSeconds(15);

    /// <returns>0: all is well, or done. 1: one is stopped, or it failed. 2: not understood.</returns>
    public static async Task<int> RunAsync(string[] args, NpgsqlDataSource database, CancellationToken cancel)
    {
        var projections = new Projections(new EventStoreOptions { DataSource = database }, [], TimeProvider.System);
        return args switch
        {
            [] or ["status"] => await StatusAsync(projections, cancel),
            ["rebuild", var name] => await projections.RequestRebuildAsync(name, cancel) ? await FollowAsync(projections, name, cancel) : await UnknownAsync(projections, name, cancel),
            ["resume", var name] => await projections.ResumeAsync(name, cancel) ? Say($"{name} may go on.", 0) : await UnknownAsync(projections, name, cancel),
            _ => Say(Usage, 2),
        };
    }

    static async Task<int> StatusAsync(Projections projections, CancellationToken cancel)
    {
        var all = await projections.StatusAsync(cancel);
        Console.WriteLine($"{"NAME",-20} {"STATE",-9} {"POSITION",10} {"BEHIND",8} {"SKIPPED",8}  REBUILD");
        foreach (var p in all)
        {
            Console.WriteLine($"{p.Name,-20} {p.State,-9} {p.Position,10} {p.Behind,8} {p.Skipped,8}  {p.Rebuild}{(p.RebuildPosition is { } at ? $" at {at}" : "")}");
            if (p.Poison is not null) Console.WriteLine($"  stopped by {p.Poison}");
            if (p.RebuildError is not null) Console.WriteLine($"  rebuild failed: {p.RebuildError}");
        }
        return all.Any(p => p.Poison is not null) ? 1 : 0;
    }

    static async Task<int> FollowAsync(Projections projections, string name, CancellationToken cancel)
    {
        var clock = TimeProvider.System;
        var asked = clock.GetTimestamp();
        while (true)
        {
            var status = (await projections.StatusAsync(cancel)).Single(p => p.Name == name);
            switch (status.Rebuild)
            {
                case null: return Say($"{name} is rebuilt, up to {status.Position}.", 0);
                case "failed": return Say($"{name} could not be rebuilt: {status.RebuildError}", 1);
                case "requested" when clock.GetElapsedTime(asked) > Patience: return Say($"Nobody rebuilds {name}: it is done when a server that has it runs (flatrender up).", 1);
                default: await Task.Delay(Look, clock, cancel); break;
            }
        }
    }

    static async Task<int> UnknownAsync(Projections projections, string name, CancellationToken cancel) =>
        Say($"There is no projection {name}. There are: {string.Join(", ", (await projections.StatusAsync(cancel)).Select(p => p.Name))}.", 1);

    static int Say(string text, int code)
    {
        (code == 0 ? Console.Out : Console.Error).WriteLine(text);
        return code;
    }
}
