using System.Text.Json;
using System.Text.Json.Nodes;
using FlatRender.Contracts;
using FlatRender.Foundation;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace FlatRender.Identity;

/// <summary>Appends the facts of committed changes to their streams, each exactly once, whatever dies between.</summary>
public sealed partial class Telling(NpgsqlDataSource database, Streams streams, Vocabulary vocabulary, TimeProvider clock, ILogger<Telling> log) : BackgroundService
{
    static readonly TimeSpan Poll = TimeSpan.FromSeconds(5);
    readonly Signal _rung = new();

    sealed record Row(long Id, Guid Stream, string Kind, string Type, string Data, string Actor, long? Tried);

    /// <summary>A row of the caller's own transaction.</summary>
    public Task NoteAsync(NpgsqlConnection db, Guid stream, string kind, object fact, string actor, CancellationToken cancel) => db.RunAsync(
        "INSERT INTO identity.facts_to_tell (stream_id, stream_type, type, data, actor) VALUES ($1, $2, $3, $4::jsonb, $5)", cancel,
        stream, kind, vocabulary.NameOf(fact.GetType()), JsonSerializer.Serialize(fact, fact.GetType(), Wire.Json), actor);

    /// <summary>Called after the commit; facts follow soon.</summary>
    public void Ring() => _rung.Raise();

    /// <summary>Tells everything that is noted, unless another process does so already.</summary>
    public async Task TellAsync(CancellationToken cancel)
    {
        await using var db = await database.OpenConnectionAsync(cancel);
        if (!(await db.QueryAsync("SELECT pg_try_advisory_lock(hashtext('identity telling'))", row => row.GetBoolean(0), cancel)).Single()) return;
        try
        {
            while (await RowsAsync(db, cancel) is { Count: > 0 } rows)
                foreach (var row in rows) await TellAsync(db, row, cancel);
        }
        finally
        {
            await db.RunAsync("SELECT pg_advisory_unlock(hashtext('identity telling'))", CancellationToken.None);
        }
    }

    async Task TellAsync(NpgsqlConnection db, Row row, CancellationToken cancel)
    {
        var told = row.Tried is { } tried && await streams.ReadAsync(row.Stream, tried + 1, tried + 1, cancel) is [var next] && next.Type == row.Type && JsonNode.DeepEquals(JsonNode.Parse(next.Data), JsonNode.Parse(row.Data));
        while (!told)
        {
            var version = await streams.VersionAsync(row.Stream, cancel);
            await db.RunAsync("UPDATE identity.facts_to_tell SET tried = $2 WHERE id = $1", cancel, row.Id, version);
            try
            {
                await streams.AppendAsync(row.Stream, row.Kind, version, [vocabulary.Read(row.Type, row.Data)], row.Actor, cancel);
                told = true;
            }
            catch (ConcurrencyException)
            {
                // Someone else was faster; the next turn stands on what they wrote.
            }
        }
        await db.RunAsync("DELETE FROM identity.facts_to_tell WHERE id = $1", cancel, row.Id);
    }

    static Task<List<Row>> RowsAsync(NpgsqlConnection db, CancellationToken cancel) => db.QueryAsync(
        "SELECT id, stream_id, stream_type, type, data::text, actor, tried FROM identity.facts_to_tell ORDER BY id LIMIT 100",
        row => new Row(row.GetInt64(0), row.GetGuid(1), row.GetString(2), row.GetString(3), row.GetString(4), row.GetString(5), row.IsDBNull(6) ? null : row.GetInt64(6)), cancel);

    protected override async Task ExecuteAsync(CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                await TellAsync(stopping);
                await _rung.WaitAsync(Poll, clock, stopping);
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (e is NpgsqlException or IOException or UnknownWordException)
            {
                Interrupted(e);
                await Task.Delay(Poll, clock, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Telling what happened was interrupted; it is still noted and follows later.")]
    partial void Interrupted(Exception e);
}
