using System.Globalization;
using System.Text.Json;
using FlatRender.Contracts;

namespace FlatRender.Cli;

/// <summary>`flatrender jobs`: the latest jobs, or one with its timeline.</summary>
public static class JobsCommand
{
    public static async Task<int> RunAsync(Workplace at, IReadOnlyList<string> args, CancellationToken stop)
    {
        var line = CommandLine.Parse(args, new("watch"), new("json")).Takes(0, 1, "JOB");
        if (line.Has("watch") && line.Words.Count == 0)
            line.Wrong("--watch", "BAD_OPTION", "wants a job to watch");
        line.OrRefuse();
        JobId? job = line.Words.Count == 0 ? null : Id(line.Words[0]);
        await using var session = await QuietSession.OpenAsync(at, stop);
        if (job is null)
            return await ListAsync(at, session.Api, line.Has("json"), stop);
        var view = await session.Api.RenderAsync(job.Value, stop);
        if (line.Has("watch"))
            view = await WatchAsync(at, session.Api, view, stop);
        var events = await session.Api.EventsAsync(job.Value, stop);
        var waits = Step.IsTerminal(view.Step) ? null : await WaitingAsync(session.Api, job.Value, stop);
        if (line.Has("json"))
            at.Terminal.Output.WriteLine(JsonSerializer.Serialize(new { Render = view, Events = events, Waiting = waits }, Wire.Json));
        else
            Print(at.Terminal.Output, view, events, waits);
        return Exit.Ok;
    }

    // A farm that does not answer keeps nobody from seeing the rest.
    static async Task<WaitExplained?> WaitingAsync(Api api, JobId job, CancellationToken stop)
    {
        try
        {
            return await api.WaitingAsync(job, stop);
        }
        catch (ApiRefusal)
        {
            return null;
        }
    }

    public static JobId Id(string text) =>
        Guid.TryParse(text, out var id) ? new(id) : throw Refusal.BadInput("BAD_JOB", "is no job id: `flatrender jobs` lists them", text);

    static async Task<int> ListAsync(Workplace at, Api api, bool json, CancellationToken stop)
    {
        var page = await api.RendersAsync(stop);
        if (json)
            at.Terminal.Output.WriteLine(JsonSerializer.Serialize(page, Wire.Json));
        else if (page.Items.Count == 0)
            at.Terminal.Output.WriteLine("no jobs yet");
        else
            Report.Table(at.Terminal.Output, page.Items.Select(v => new[] { $"{v.JobId}", v.Held ? $"{v.Step} (held)" : v.Step, $"{v.Progress,3} %", $"{v.Width}x{v.Height}", Time(v.CreatedAt), v.Title }).Prepend(["JOB", "STATE", "DONE", "SIZE", "CREATED", "TITLE"]));
        return Exit.Ok;
    }

    static async Task<RenderView> WatchAsync(Workplace at, Api api, RenderView view, CancellationToken stop)
    {
        using var bar = new ProgressBar(at.Terminal, at.Clock);
        bar.Show(view);
        while (!Step.IsTerminal(view.Step))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(300), at.Clock, stop);
            view = await api.RenderAsync(view.JobId, stop);
            bar.Show(view);
        }
        return view;
    }

    static void Print(TextWriter output, RenderView view, IReadOnlyList<TimelineEntry> events, WaitExplained? waits)
    {
        string[][] rows =
        [
            .. waits?.Reasons.Select((r, i) => new[] { i == 0 ? "waits for" : " ", WhyCommand.Line(r) }) ?? [],
            ["job", $"{view.JobId}"], ["title", view.Title], ["state", view.Held ? $"{view.Step} (held)" : view.Step], ["reason", view.Reason],
            ["frames", $"{view.CurrentFrame}/{view.TotalFrames} ({view.Progress} %)"],
            ["film", string.Create(CultureInfo.InvariantCulture, $"{view.Width}x{view.Height} at {view.Fps} fps, {view.DurationSec:0.###} s") + (view.SizeBytes is { } size ? $", {Report.Bytes(size)}" : "")],
            ["error", view.ErrorCode ?? ""], ["trace id", view.TraceId ?? ""],
        ];
        // What it waits for stands last, above its history.
        Report.Table(output, rows.Where(r => r[1].Length > 0).OrderBy(r => r[0] is "waits for" or " "));
        output.WriteLine();
        Report.Table(output, events.Select(e => new[] { $"{e.Seq,3}", Time(e.At), e.Type, e.Reason }));
    }

    public static string Time(DateTimeOffset at) => at.ToString("yyyy-MM-dd HH:mm:ss.fff", CultureInfo.InvariantCulture) + (at.Offset == TimeSpan.Zero ? "Z" : at.ToString("zzz", CultureInfo.InvariantCulture));
}

/// <summary>`flatrender cancel` and `flatrender retry`.</summary>
public static class VerbCommand
{
    public static async Task<int> RunAsync(Workplace at, string verb, IReadOnlyList<string> args, CancellationToken stop)
    {
        var line = CommandLine.Parse(args, new("reason", "TEXT"), new("json")).Takes(1, 1, "JOB").OrRefuse();
        var job = JobsCommand.Id(line.Words[0]);
        await using var session = await QuietSession.OpenAsync(at, stop);
        var view = await session.Api.TellAsync(job, verb, line.Value("reason") ?? "asked at the command line", stop);
        at.Terminal.Output.WriteLine(line.Has("json") ? JsonSerializer.Serialize(view, Wire.Json) : $"{view.JobId}  {view.Step}  {view.Reason}".TrimEnd());
        if (verb == "retry" && session.StartedHere)
            at.Terminal.Note("nothing renders right now: `flatrender up` goes on with the job");
        return Exit.Ok;
    }
}

/// <summary>A session that only asks: it starts no render node.</summary>
static class QuietSession
{
    public static Task<Session> OpenAsync(Workplace at, CancellationToken stop) =>
        Session.OpenAsync(at, new Wanted(Port: 0, Environment.ProcessorCount, at.Variable("FLATRENDER_DATABASE"), Stays: false, Node: false), stop);
}
