using Npgsql;

namespace FlatRender.EventStore;

/// <summary>Brings the store's schema to this build's shape: a new one from <c>sql/tables</c>, an older one by the numbered files of <c>sql/updates</c>.</summary>
public static class Migration
{
    // Order matters: a table after those it refers to.
    static readonly string[] Tables = ["mt_streams", "mt_events_sequence", "mt_events", "mt_events_number", "mt_event_progression", "mt_doc_renderjob", "agenda", "projections"];

    // Replaced each time: views and functions have no data of their own. Grants last: they name everything.
    static readonly string[] Replaced = ["views/overdue", "functions/append", "functions/grants"];

    /// <summary>One transaction, under an advisory lock: processes that start together migrate once.</summary>
    public static Task ApplyAsync(NpgsqlDataSource source, string schema, CancellationToken cancel = default) =>
        EventStore.Schema.UpdateAsync(source, schema, typeof(Migration).Assembly, Tables, Replaced, cancel);
}
