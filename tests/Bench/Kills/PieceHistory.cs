using FlatRender.Contracts;
using Npgsql;

namespace FlatRender.Bench;

/// <summary>What happened to pieces, read from the facts alone: whether a frame was ever written by two, and how long a piece lay while its node was dead.</summary>
sealed class PieceHistory
{
    readonly List<(DateTimeOffset At, IAboutChunk Fact)> _facts = [];

    public static async Task<PieceHistory> ReadAsync(NpgsqlDataSource database)
    {
        var history = new PieceHistory();
        await using var command = database.CreateCommand("SELECT timestamp, type, data::text FROM eventstore.mt_events WHERE type LIKE 'render.chunk.%' ORDER BY stream_id, version");
        await using var rows = await command.ExecuteReaderAsync();
        while (await rows.ReadAsync()) history._facts.Add((rows.GetFieldValue<DateTimeOffset>(0), (IAboutChunk)Vocabulary.All.Read(rows.GetString(1), rows.GetString(2))));
        return history;
    }

    public int Leases => _facts.Count(f => f.Fact is ChunkLeased);

    public int Crashes(JobId job) => _facts.Count(f => f.Fact is ChunkRejected { Code: "ENGINE_CRASHED" or "ENGINE_HUNG" } && f.Fact.JobId == job);

    /// <summary>When a piece of the render was last given out.</summary>
    public DateTimeOffset? LastLease(JobId job) => _facts.Where(f => f.Fact is ChunkLeased && f.Fact.JobId == job).Select(f => (DateTimeOffset?)f.At).LastOrDefault();

    /// <summary>Pieces that two held at once, that another finished than held them, or that were finished twice without having been rejected between.</summary>
    public IReadOnlyList<string> Violations()
    {
        var violations = new List<string>();
        foreach (var piece in _facts.GroupBy(f => (f.Fact.JobId, f.Fact.Kind, f.Fact.Chunk)))
        {
            ChunkLeased? held = null;
            var (epoch, done) = (0, false);
            foreach (var (_, fact) in piece)
            {
                var wrong = fact switch
                {
                    ChunkLeased f => held is not null ? "leased to two" : f.Epoch <= epoch ? "leased under an old epoch" : done && piece.Key.Kind == "render" ? "leased though done" : null,
                    ChunkCompleted f => held?.LeaseId != f.LeaseId || held.Epoch != f.Epoch || held.NodeId != f.NodeId ? "finished by another than its holder" : null,
                    ChunkExpired f => held?.LeaseId != f.LeaseId ? "expired though not held" : null,
                    ChunkRejected { Code: not "FRAMES_BAD" } f => held?.NodeId != f.NodeId || held.Epoch != f.Epoch ? "failed by another than its holder" : null,
                    _ => null,
                };
                if (wrong is not null) violations.Add($"{piece.Key}: {wrong} ({fact})");
                if (fact is ChunkLeased lease) (held, epoch) = (lease, lease.Epoch);
                else if (fact is not ChunkRejected { Code: "FRAMES_BAD" }) held = null;
                done = fact is ChunkCompleted || done && fact is not ChunkRejected;
            }
        }
        return violations;
    }

    /// <summary>For each piece the node held at that moment: seconds until it was given out again. A piece whose render ended before is not waited for.</summary>
    public IEnumerable<double> Reassigned(NodeId node, DateTimeOffset died)
    {
        foreach (var piece in _facts.GroupBy(f => (f.Fact.JobId, f.Fact.Kind, f.Fact.Chunk)))
        {
            var held = piece.Where(f => f.At <= died).Select(f => f.Fact).LastOrDefault() is ChunkLeased lease && lease.NodeId == node;
            if (held && piece.FirstOrDefault(f => f.At > died && f.Fact is ChunkLeased) is { Fact: not null } again) yield return (again.At - died).TotalSeconds;
        }
    }
}
