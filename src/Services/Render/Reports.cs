using System.Text.Json;
using FlatRender.Contracts;
using FlatRender.Foundation;
using Npgsql;

namespace FlatRender.Render;

/// <summary>What the pipeline is told of a job, worked out from the book alone, so that it can be worked out again.</summary>
sealed partial class WorkBook
{
    sealed record TaskRow(string Kind, int Chunk, int First, int Count, string State, NodeId? Node, string? Result)
    {
        public T Read<T>() where T : NodeResult => (T)JsonSerializer.Deserialize<NodeResult>(Result!, Wire.Json)!;
    }

    async Task ReportAsync(NpgsqlConnection db, FarmJob job, List<object> reports, CancellationToken cancel)
    {
        if (job.Stage == "stopped") return;
        var tasks = await TasksAsync(db, job.Id, cancel);
        var drawn = tasks.Where(t => t.Kind == "render").ToArray();
        live.Settle(job.Id, job.Film.Frames, drawn.Where(t => t.State == "done").Sum(t => t.Count));

        if (job.Stage == "rendering" && job.StartedOrder < job.Order && drawn.FirstOrDefault(t => t.Node is not null) is { } first)
        {
            reports.Add(new WorkStarted(job.Id, job.Order, first.Node!.Value));
            await db.RunAsync("UPDATE render.jobs SET started_order = work_order WHERE job_id = $1", cancel, job.Id.Value);
        }

        if (job.ReportedOrder < job.Order && Verdict(job, drawn, tasks) is { } verdict)
        {
            reports.Add(verdict);
            if (verdict is FilmAccepted) live.Forget(job.Id);
            await db.RunAsync("UPDATE render.jobs SET reported_order = work_order WHERE job_id = $1", cancel, job.Id.Value);
        }
    }

    // Null: the order is still being worked on.
    static object? Verdict(FarmJob job, TaskRow[] drawn, List<TaskRow> tasks)
    {
        switch (job.Stage)
        {
            case "rendering":
                return drawn.Length > 0 && drawn.All(t => t.State == "done") ? new FramesRendered(job.Id, job.Order, job.ComputeSeconds) : null;

            case "validating":
                var checks = tasks.Where(t => t.Kind == "validate").ToArray();
                if (checks.Length < drawn.Length || checks.Any(t => t.State != "done")) return null;
                var verdicts = checks.Select(t => t.Read<TaskValidated>()).ToArray();
                int[] missing = [.. verdicts.SelectMany(v => v.MissingFrames).Order()], corrupt = [.. verdicts.SelectMany(v => v.CorruptFrames).Order()];
                return missing.Length + corrupt.Length == 0
                    ? new FramesAccepted(job.Id, job.Order)
                    : new FramesRejected(job.Id, job.Order, missing, corrupt, string.Join("; ", verdicts.Where(v => v.MissingFrames.Count + v.CorruptFrames.Count > 0).Select(v => v.Reason).Distinct().Take(5)));

            case "assembling":
                if (tasks.SingleOrDefault(t => t.Kind == "assemble") is not { State: "done" } joined) return null;
                var result = joined.Read<TaskAssembled>();
                return result.Film is { } film
                    ? new FilmAccepted(job.Id, job.Order, film with { ComputeSeconds = job.ComputeSeconds, Spent = job.Spent })
                    : new FilmRejected(job.Id, job.Order, result.MissingFrames, result.CorruptFrames, result.Reason);

            default:
                return null;
        }
    }

    static Task<List<TaskRow>> TasksAsync(NpgsqlConnection db, JobId id, CancellationToken cancel) => db.QueryAsync(
        "SELECT kind, chunk, first, count, state, node_id, result::text FROM render.tasks WHERE job_id = $1 ORDER BY kind, chunk",
        row => new TaskRow(row.GetString(0), row.GetInt32(1), row.GetInt32(2), row.GetInt32(3), row.GetString(4),
            row.IsDBNull(5) ? null : new NodeId(row.GetGuid(5)), row.IsDBNull(6) ? null : row.GetString(6)),
        cancel, id.Value);
}
