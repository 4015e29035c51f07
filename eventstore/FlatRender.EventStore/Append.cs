using Npgsql;
using NpgsqlTypes;

namespace FlatRender.EventStore;

/// <summary>The call of <c>sql/functions/append.sql</c> on a connection of its own, prepared once and opened again when it breaks.</summary>
sealed class Append(EventStoreOptions options) : IAsyncDisposable
{
    /// <summary>How long a call waits for what somebody else has locked, in milliseconds: longer than any append of ours takes, and no longer than others should wait for it.</summary>
    const int Patience = 2000, PatienceWhenTriedAgain = 50;

    NpgsqlConnection? _connection;
    int _patience;
    NpgsqlCommand? _command;

    /// <summary>The streams whose unit got in, each with the numbers of its agenda rows. Units are sorted by stream, one a stream.</summary>
    /// <param name="again">These units have waited for locks already.</param>
    /// <exception cref="PostgresException">The database cannot take one of them, or a lock could not be had.</exception>
    public async Task<Dictionary<Guid, long[]>> RunAsync(List<UnitOfWork> units, bool again)
    {
        try
        {
            var command = await CommandAsync();
            await WaitAtMostAsync(again ? PatienceWhenTriedAgain : Patience);
            Fill(command.Parameters, units);
            var accepted = new Dictionary<Guid, long[]>(units.Count);
            await using var rows = await command.ExecuteReaderAsync();
            while (await rows.ReadAsync()) accepted[rows.GetGuid(0)] = rows.IsDBNull(1) ? [] : rows.GetFieldValue<long[]>(1);
            return accepted;
        }
        catch (Exception) when (_connection is { State: not System.Data.ConnectionState.Open })
        {
            await CloseAsync();
            throw;
        }
    }

    /// <summary>The call on any connection, filled with these units: within a transaction, they are part of it.</summary>
    public static NpgsqlCommand Of(NpgsqlConnection connection, string schema, List<UnitOfWork> units)
    {
        var command = Empty(connection, schema);
        Fill(command.Parameters, units);
        return command;
    }

    static void Fill(NpgsqlParameterCollection p, List<UnitOfWork> units)
    {
        var facts = units.Sum(u => u.Facts.Count);
        var agenda = units.Sum(u => u.Agenda.Count);
        var n = 0;
        Set(p, n++, units, u => u.StreamId);
        Set(p, n++, units, u => u.StreamType);
        Set(p, n++, units, u => u.Expected);
        Set(p, n++, units, u => u.Expected + u.Facts.Count);
        Set(p, n++, units, u => u.Now);
        Set(p, n++, units, u => u.MemoryJson);
        Set(p, n++, units, u => u.Mark);
        SetAll(p, n++, facts, units, u => u.Facts, (u, _) => u.StreamId);
        SetAll(p, n++, facts, units, u => u.Facts, (_, f) => f.Version);
        SetAll(p, n++, facts, units, u => u.Facts, (_, f) => f.EventId);
        SetAll(p, n++, facts, units, u => u.Facts, (_, f) => f.Type);
        SetAll(p, n++, facts, units, u => u.Facts, (_, f) => f.Data);
        SetAll(p, n++, facts, units, u => u.Facts, (_, f) => f.Headers);
        SetAll(p, n++, agenda, units, u => u.Agenda, (u, _) => u.StreamId);
        SetAll(p, n++, agenda, units, u => u.Agenda, (_, a) => a.Kind);
        SetAll(p, n++, agenda, units, u => u.Agenda, (_, a) => a.Due);
        SetAll(p, n++, agenda, units, u => u.Agenda, (_, a) => a.Type);
        SetAll(p, n++, agenda, units, u => u.Agenda, (_, a) => a.Data);
        SetAll(p, n, agenda, units, u => u.Agenda, (_, a) => a.Headers);
    }

    static void Set<T>(NpgsqlParameterCollection p, int n, List<UnitOfWork> units, Func<UnitOfWork, T> of)
    {
        var values = new T[units.Count];
        for (var i = 0; i < values.Length; i++) values[i] = of(units[i]);
        p[n].Value = values;
    }

    static void SetAll<TRow, T>(NpgsqlParameterCollection p, int n, int count, List<UnitOfWork> units, Func<UnitOfWork, List<TRow>> rows, Func<UnitOfWork, TRow, T> of)
    {
        var values = new T[count];
        var i = 0;
        foreach (var unit in units)
            foreach (var row in rows(unit))
                values[i++] = of(unit, row);
        p[n].Value = values;
    }

    async Task<NpgsqlCommand> CommandAsync()
    {
        if (_command is not null) return _command;
        if (_connection is null) (_connection, _patience) = (await options.DataSource.OpenConnectionAsync(), 0);
        var command = Empty(_connection, options.Schema);
        await command.PrepareAsync();
        return _command = command;
    }

    async Task WaitAtMostAsync(int patience)
    {
        if (_patience == patience) return;
        await _connection!.RunAsync($"SET lock_timeout = {patience}", CancellationToken.None);
        _patience = patience;
    }

    static NpgsqlCommand Empty(NpgsqlConnection connection, string schema)
    {
        NpgsqlDbType[] types =
        [
            NpgsqlDbType.Uuid, NpgsqlDbType.Varchar, NpgsqlDbType.Bigint, NpgsqlDbType.Bigint, NpgsqlDbType.TimestampTz, NpgsqlDbType.Jsonb, NpgsqlDbType.Uuid,
            NpgsqlDbType.Uuid, NpgsqlDbType.Bigint, NpgsqlDbType.Uuid, NpgsqlDbType.Varchar, NpgsqlDbType.Jsonb, NpgsqlDbType.Jsonb,
            NpgsqlDbType.Uuid, NpgsqlDbType.Varchar, NpgsqlDbType.TimestampTz, NpgsqlDbType.Varchar, NpgsqlDbType.Jsonb, NpgsqlDbType.Jsonb,
        ];
        var command = new NpgsqlCommand($"SELECT * FROM {schema}.append({string.Join(", ", types.Select((_, i) => $"${i + 1}"))})", connection);
        foreach (var type in types) command.Parameters.Add(new NpgsqlParameter { NpgsqlDbType = NpgsqlDbType.Array | type });
        return command;
    }

    async Task CloseAsync()
    {
        if (_command is not null) await _command.DisposeAsync();
        if (_connection is not null) await _connection.DisposeAsync();
        (_command, _connection) = (null, null);
    }

    public async ValueTask DisposeAsync() => await CloseAsync();
}
