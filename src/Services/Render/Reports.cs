using System.Text.Json;
using FlatRender.Contracts;
using Npgsql;

namespace FlatRender.Render;

/// <summary>What the pipeline is told of a job, worked out from the book alone, so that it can be worked out again.</summary>
sealed partial class WorkBook
{
    /// <summary>How many of a job's pieces stand where.</summary>
    sealed record Counts(int Waiting, int Leased, int Chunks, int Drawn, int DrawnFrames, int Checked)
    {
        public const string Columns = "waiting, leased, chunks, drawn, drawn_frames, checked";

        public static Counts Of(NpgsqlDataReader row) => new(row.GetInt32(0), row.GetInt32(1), row.GetInt32(2), row.GetInt32(3), row.GetInt32(4), row.GetInt32(5));
    }

    async Task ReportAsync(Change x, FarmJob job, CancellationToken cancel)
    {
        if (job.Stage == "stopped") return;
        var counts = (await x.Db.QueryAsync($"SELECT {Counts.Columns} FROM render.jobs WHERE job_id = $1", Counts.Of, cancel, job.Id.Value)).Single();
        live.Settle(job.Id, job.Film.Frames, counts.DrawnFrames);
        if (job.Stage == "rendering" && job.StartedOrder < job.Order && await FirstNodeAsync(x.Db, job.Id, counts, cancel) is { } first)
        {
            x.Told.Add(new WorkStarted(job.Id, job.Order, first));
            await x.Db.RunAsync("UPDATE render.jobs SET started_order = work_order WHERE job_id = $1", cancel, job.Id.Value);
        }

        if (job.ReportedOrder >= job.Order || await VerdictAsync(x.Db, job, counts, cancel) is not { } verdict) return;
        x.Told.Add(verdict);
        if (verdict is FilmAccepted) live.Forget(job.Id);
        await x.Db.RunAsync("UPDATE render.jobs SET reported_order = work_order WHERE job_id = $1", cancel, job.Id.Value);
    }

    // Null: nobody has begun.
    static async Task<NodeId?> FirstNodeAsync(NpgsqlConnection db, JobId id, Counts counts, CancellationToken cancel)
    {
        if (counts.Leased + counts.Drawn == 0) return null;
        var nodes = await db.QueryAsync("SELECT node_id FROM render.tasks WHERE job_id = $1 AND kind = 'render' AND node_id IS NOT NULL ORDER BY chunk LIMIT 1", row => new NodeId(row.GetGuid(0)), cancel, id.Value);
        return nodes.Count == 0 ? null : nodes[0];
    }

    // Null: the order is still being worked on. Pieces are read only when all of them are there.
    static async Task<object?> VerdictAsync(NpgsqlConnection db, FarmJob job, Counts counts, CancellationToken cancel)
    {
        switch (job.Stage)
        {
            case "rendering":
                return counts.Chunks > 0 && counts.Drawn == counts.Chunks ? new FramesRendered(job.Id, job.Order, job.ComputeSeconds) : null;

            case "validating":
                if (counts.Checked < counts.Chunks) return null;
                var verdicts = await ResultsAsync<TaskValidated>(db, job.Id, "validate", cancel);
                int[] missing = [.. verdicts.SelectMany(v => v.MissingFrames).Order()], corrupt = [.. verdicts.SelectMany(v => v.CorruptFrames).Order()];
                return missing.Length + corrupt.Length == 0
                    ? new FramesAccepted(job.Id, job.Order)
                    : new FramesRejected(job.Id, job.Order, missing, corrupt, string.Join("; ", verdicts.Where(v => v.MissingFrames.Count + v.CorruptFrames.Count > 0).Select(v => v.Reason).Distinct().Take(5)));

            case "assembling":
                if ((await ResultsAsync<TaskAssembled>(db, job.Id, "assemble", cancel)).SingleOrDefault() is not { } result) return null;
                return result.Film is { } film
                    ? new FilmAccepted(job.Id, job.Order, film with { ComputeSeconds = job.ComputeSeconds, Spent = job.Spent })
                    : new FilmRejected(job.Id, job.Order, result.MissingFrames, result.CorruptFrames, result.Reason);

            default:
                return null;
        }
    }

    static Task<List<T>> ResultsAsync<T>(NpgsqlConnection db, JobId id, string kind, CancellationToken cancel) where T : NodeResult => db.QueryAsync(
        "SELECT result::text FROM render.tasks WHERE job_id = $1 AND kind = $2 AND state = 'done' ORDER BY chunk", row => (T)JsonSerializer.Deserialize<NodeResult>(row.GetString(0), Wire.Json)!, cancel, id.Value, kind);
}
