using FlatRender.Contracts;
using FlatRender.EventStore;
using Npgsql;

namespace FlatRender.Gateway;

/// <summary>What people tell a running pipeline to do. It is in the agenda when the call returns: said once, it reaches the pipeline, whatever the broker does meanwhile.</summary>
public sealed class Verbs(NpgsqlDataSource database, Alongside history)
{
    /// <param name="by">Who wants it.</param>
    public async Task SayAsync(IAboutRender verb, string by, CancellationToken cancel)
    {
        await using (var db = await database.OpenConnectionAsync(cancel))
        {
            await using var transaction = await db.BeginTransactionAsync(cancel);
            await history.AskAsync(db, verb.JobId.Value, [verb], by, cancel);
            await transaction.CommitAsync(cancel);
        }

        history.Asked();
    }
}
