using System.Diagnostics;
using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using FlatRender.Contracts;

namespace FlatRender.Cli;

/// <summary>`flatrender render`: from a template file to a film file.</summary>
public static class RenderCommand
{
    public static async Task<int> RunAsync(Workplace at, IReadOnlyList<string> args, CancellationToken stop)
    {
        var began = Stopwatch.GetTimestamp();
        using var request = RenderRequest.Read(args, at.Folder);
        var seconds = new Timing();
        await using var session = await OpenAsync(at, request, stop);
        seconds.Add(session.StartSeconds);

        var submitted = await seconds.OfAsync("submit", () => SubmitAsync(session.Api, request, stop));
        Report.Warnings(at.Terminal, submitted.Warnings);
        var ended = await seconds.OfAsync("follow", () => FollowAsync(at, session, submitted, stop));
        if (ended.Step != Step.Done)
            throw Refusal.Failed(ended.ErrorCode ?? ended.Step.ToUpperInvariant(), $"the render {(ended.Step == Step.Cancelled ? "was cancelled" : "failed")}: {ended.ErrorCode} {ended.Reason}".Replace(":  ", ": ", StringComparison.Ordinal), ended.TraceId, $"{ended.JobId}");

        await seconds.OfAsync("download", () => DownloadAsync(session.Api, ended, request.Output, stop));
        Report.Warnings(at.Terminal, ended.Warnings.Except(submitted.Warnings));
        seconds.Add(ended.Timing);
        seconds.Set("total", Stopwatch.GetElapsedTime(began).TotalSeconds);
        seconds.Keep(at.Home.LastTiming);
        Say(at.Terminal, request, ended, seconds);
        return Exit.Ok;
    }

    static Task<Session> OpenAsync(Workplace at, RenderRequest request, CancellationToken stop) =>
        Session.OpenAsync(at, new Wanted(Port: 0, request.Slots ?? Environment.ProcessorCount, at.Variable("FLATRENDER_DATABASE"), Stays: false), stop);

    static async Task<RenderView> SubmitAsync(Api api, RenderRequest request, CancellationToken stop)
    {
        try
        {
            var template = await api.AddTemplateAsync(request.Template.Bundle(), stop);
            // Once sent, a submission is waited for also when we are interrupted: what was taken must be cancelled.
            return await api.SubmitAsync(request.For(template.TemplateId), Ids.New(), CancellationToken.None);
        }
        catch (ApiRefusal refusal) when (refusal.IsBadInput)
        {
            throw refusal.AsRefusal(Exit.BadInput);
        }
    }

    /// <summary>Watches a job to its end. Interrupted, it cancels the job and sees that it is.</summary>
    static async Task<RenderView> FollowAsync(Workplace at, Session session, RenderView view, CancellationToken stop)
    {
        using var bar = new ProgressBar(at.Terminal, at.Clock);
        try
        {
            bar.Show(view);
            var answered = at.Clock.GetTimestamp();
            while (!Step.IsTerminal(view.Step))
            {
                await Task.Delay(TimeSpan.FromMilliseconds(120), at.Clock, stop);
                try
                {
                    view = await session.Api.RenderAsync(view.JobId, stop);
                    answered = at.Clock.GetTimestamp();
                    bar.Show(view);
                }
                catch (Exception e) when (MayPass(e) && session.WhatDied() is null && at.Clock.GetElapsedTime(answered) < TimeSpan.FromSeconds(30))
                {
                    // A host that is being restarted answers again; a dead one is seen below.
                }
                catch (Exception e) when (MayPass(e) && session.WhatDied() is null)
                {
                    throw Refusal.Failed("HOST_UNREACHABLE", $"the host has not answered for 30 s ({e.Message}); the job is kept", jobId: $"{view.JobId}");
                }
                catch (Exception e) when (MayPass(e))
                {
                    // Told below, in words.
                }
                if (!Step.IsTerminal(view.Step) && session.WhatDied() is { } died)
                    throw Refusal.Failed("SERVER_ENDED", $"{died}; the job is kept: `flatrender up` goes on with it", jobId: $"{view.JobId}");
            }
            return view;
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            bar.Dispose();
            await CancelAsync(at, session.Api, view.JobId);
            throw;
        }
    }

    /// <summary>Nobody answers, or the host says that a part it needs is away for the moment.</summary>
    static bool MayPass(Exception e) => e is HttpRequestException or ApiRefusal { Status: HttpStatusCode.ServiceUnavailable };

    static async Task CancelAsync(Workplace at, Api api, JobId job)
    {
        at.Terminal.Note($"cancelling {job}");
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30), at.Clock);
        try
        {
            var view = await api.TellAsync(job, "cancel", "interrupted at the terminal", patience.Token);
            while (!Step.IsTerminal(view.Step))
            {
                await Task.Delay(TimeSpan.FromMilliseconds(100), at.Clock, patience.Token);
                view = await api.RenderAsync(job, patience.Token);
            }
            at.Terminal.Note($"{job} is {view.Step.ToLowerInvariant()}");
        }
        catch (Exception e) when (e is OperationCanceledException or HttpRequestException or ApiRefusal)
        {
            at.Terminal.Note($"the job could not be cancelled ({e.Message}): `flatrender cancel {job}` tries again");
        }
    }

    static async Task DownloadAsync(Api api, RenderView view, string output, CancellationToken stop)
    {
        var beside = FilmFileName.Beside(output);
        try
        {
            await using (var file = File.Create(beside))
                await api.FilmAsync(view.JobId, file, stop);
            if (view.SizeBytes is { } size && new FileInfo(beside).Length != size)
                throw Refusal.Failed("FILM_TRUNCATED", $"the film came with {new FileInfo(beside).Length} of {size} bytes; it is kept on the host", jobId: $"{view.JobId}");
            File.Move(beside, output, overwrite: true);
        }
        finally
        {
            File.Delete(beside);
        }
    }

    static void Say(Terminal terminal, RenderRequest request, RenderView view, Timing seconds)
    {
        if (request.Timing)
            seconds.Print(terminal.Notes);
        if (!request.Json)
        {
            terminal.Output.WriteLine(FormattableString.Invariant($"{request.Output}  {view.Width}x{view.Height}, {view.TotalFrames} frames at {view.Fps} fps, {view.DurationSec:0.###} s, {Report.Bytes(view.SizeBytes ?? 0)}"));
            return;
        }
        terminal.Output.WriteLine(new JsonObject
        {
            ["exit_code"] = Exit.Ok,
            ["job_id"] = $"{view.JobId}",
            ["output"] = request.Output,
            ["render"] = JsonSerializer.SerializeToNode(view, Wire.Json),
            ["timing"] = JsonSerializer.SerializeToNode(seconds.Rounded(), Wire.Json),
        }.ToJsonString(Wire.Json));
    }
}
