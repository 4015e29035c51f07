using System.Security.Cryptography;
using System.Text.Json;
using FlatRender.Contracts;
using FlatRender.EventStore;
using Npgsql;

namespace FlatRender.Gateway;

/// <summary>What was first asked for with an idempotency key: the key stands for that, and for nothing else.</summary>
public sealed class FirstAsked(NpgsqlDataSource database)
{
    /// <summary>Whoever comes first says it for all gateways; two at once are one after the other here.</summary>
    /// <returns>False: the key was first sent with something else.</returns>
    public async Task<bool> TakeAsync(JobId id, NewRender ask, CancellationToken cancel)
    {
        var digest = DigestOf(ask);
        var first = await database.QueryAsync("INSERT INTO gateway.submissions AS s (job_id, asked) VALUES ($1, $2) ON CONFLICT (job_id) DO UPDATE SET asked = s.asked RETURNING asked", row => row.GetFieldValue<byte[]>(0), cancel, id.Value, digest);
        return first.Single().AsSpan().SequenceEqual(digest);
    }

    // What it means, not how it is written: the order of members and inputs does not matter.
    static byte[] DigestOf(NewRender ask) =>
        SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(ask with { Inputs = ask.Inputs is null ? null : new SortedDictionary<string, string>(ask.Inputs.ToDictionary(), StringComparer.Ordinal) }, Wire.Json));
}
