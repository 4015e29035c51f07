using FlatRender.Contracts;
using Npgsql;
using NpgsqlTypes;

namespace FlatRender.Bench;

/// <summary>
/// The limit of appending: the rows of as many units as our writers have at once (stream, fact, memory), into tables laid out as ours, by one plain statement after the other from ready-made text.
/// No version is guarded, no hash made, nobody waits for an answer: what is left is what the database takes for such rows.
/// </summary>
sealed class PlainRows(NpgsqlDataSource source)
{
    public const int Batch = 64;

    /// <summary>Their own: to an audit they would be forgeries.</summary>
    public const string Schema = "plain";

    const int Connections = 2;

    const string Statement = $"""
        WITH streams AS (
            INSERT INTO {Schema}.mt_streams (id, type, version)
            SELECT u.id, 'render_job', $2 FROM unnest($1) u (id)
            ON CONFLICT (id) DO UPDATE SET version = excluded.version, timestamp = now()
        ), memories AS (
            INSERT INTO {Schema}.mt_doc_renderjob (id, data)
            SELECT u.id, u.memory FROM unnest($1, $3) u (id, memory)
            ON CONFLICT (id) DO UPDATE SET data = excluded.data, mt_last_modified = now()
        )
        INSERT INTO {Schema}.mt_events (seq_id, id, stream_id, version, data, type, headers)
        SELECT nextval('{Schema}.mt_events_sequence'), u.event, u.id, $2, u.data, $5, u.headers FROM unnest($1, $4, $6, $7) u (id, event, data, headers)
        """;

    long _units;

    /// <summary>Units so far.</summary>
    public long Units => Volatile.Read(ref _units);

    public Task RunAsync(CancellationToken stop) => Task.WhenAll(Enumerable.Range(0, Connections).Select(_ => Task.Run(() => WriteAsync(stop), CancellationToken.None)));

    async Task WriteAsync(CancellationToken stop)
    {
        // The texts of one life, as our own units write them.
        var job = new JobId(Ids.New());
        var saga = new Sagas.RenderSaga { CorrelationId = job.Value };
        var life = Lives.Usual(job).Select(fact => Lives.Unit(saga, new string('0', 64), TimeProvider.System.GetUtcNow(), fact)).Select(unit => (Fact: unit.Facts[0], Memory: unit.MemoryJson!)).ToArray();

        await using var connection = await source.OpenConnectionAsync(CancellationToken.None);
        await using var command = new NpgsqlCommand(Statement, connection);
        NpgsqlParameter ids = Add(NpgsqlDbType.Array | NpgsqlDbType.Uuid), version = Add(NpgsqlDbType.Bigint), memories = Add(NpgsqlDbType.Array | NpgsqlDbType.Jsonb), events = Add(NpgsqlDbType.Array | NpgsqlDbType.Uuid),
            type = Add(NpgsqlDbType.Varchar), data = Add(NpgsqlDbType.Array | NpgsqlDbType.Jsonb), headers = Add(NpgsqlDbType.Array | NpgsqlDbType.Jsonb);
        while (!stop.IsCancellationRequested)
        {
            ids.Value = Enumerable.Range(0, Batch).Select(_ => Ids.New()).Order().ToArray();
            for (var step = 0; step < life.Length && !stop.IsCancellationRequested; step++)
            {
                var (fact, memory) = life[step];
                (version.Value, type.Value) = (step + 1L, fact.Type);
                events.Value = Enumerable.Range(0, Batch).Select(_ => Ids.New()).ToArray();
                (memories.Value, data.Value, headers.Value) = (Repeated(memory), Repeated(fact.Data), Repeated(fact.Headers));
                await command.ExecuteNonQueryAsync(CancellationToken.None);
                Interlocked.Add(ref _units, Batch);
            }
        }

        NpgsqlParameter Add(NpgsqlDbType dbType) => command.Parameters.Add(new NpgsqlParameter { NpgsqlDbType = dbType });
        static string[] Repeated(string text) => [.. Enumerable.Repeat(text, Batch)];
    }
}
