using FlatRender.Contracts;
using Npgsql;

namespace FlatRender.Render;

/// <summary>The farm's transactions: rows, the facts that tell of them, and what the pipeline must hear, in one commit.</summary>
sealed class FarmLog(NpgsqlDataSource database, Alongside history)
{
    const string Actor = "farm";

    /// <summary>Locks go jobs first, then nodes, then streams: nobody waits in a circle.</summary>
    /// <param name="change">May add to what is told. Facts about pieces go to their render's stream of pieces, those about nodes to the node's; reports go to the agenda, and from there to the pipeline.</param>
    public async Task<T> WriteAsync<T>(Func<NpgsqlConnection, List<object>, Task<T>> change, CancellationToken cancel)
    {
        List<object> facts = [];
        T result;
        await using (var db = await database.OpenConnectionAsync(cancel))
        {
            await using var transaction = await db.BeginTransactionAsync(cancel);
            result = await change(db, facts);
            foreach (var report in facts.OfType<IAboutOrder>()) await history.AskAsync(db, report.JobId.Value, [report], Actor, cancel);
            await history.AppendAsync(db, [.. facts.Where(f => f is not IAboutOrder).Select(Placed)], Actor, cancel);
            await transaction.CommitAsync(cancel);
        }

        if (facts.Count > 0) history.Committed();
        if (facts.OfType<IAboutOrder>().Any()) history.Asked();
        return result;
    }

    static StreamFacts Placed(object fact) => fact switch
    {
        IAboutChunk piece => new(FarmStreams.Chunks(piece.JobId), FarmStreams.ChunksType, [fact]),
        IAboutNode node => new(node.NodeId.Value, FarmStreams.NodeType, [fact]),
        _ => throw new ArgumentException($"A {fact.GetType().Name} is no fact of the farm.", nameof(fact)),
    };
}
