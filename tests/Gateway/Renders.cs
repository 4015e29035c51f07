using System.Text;
using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.Foundation;
using FlatRender.Sagas;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;

namespace FlatRender.Gateway.Tests;

/// <summary>Renders on a server without nodes: whatever a farm would report is said by the test.</summary>
static class Renders
{
    /// <summary>64 x 48, six frames: it costs one.</summary>
    public const string Lottie = """
        {"v":"5.7.0","fr":30,"ip":0,"op":6,"w":64,"h":48,"nm":"small","ddd":0,"assets":[],"layers":[{"ddd":0,"ind":1,"ty":1,"nm":"field","sr":1,
        "ks":{"o":{"a":0,"k":100},"r":{"a":0,"k":0},"p":{"a":0,"k":[0,0,0]},"a":{"a":0,"k":[0,0,0]},"s":{"a":0,"k":[100,100,100]}},"ao":0,"sw":64,"sh":48,"sc":"#204090","ip":0,"op":9000,"st":0,"bm":0}]}
        """;

    static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    public static Task<TemplateView> UploadAsync(Client client, string name = "small") =>
        client.AskAsync<TemplateView>(HttpMethod.Post, "/v1/templates", new StringContent($$"""{"name":"{{name}}","lottie":{{Lottie}}}""", Encoding.UTF8, "application/json"), 201);

    public static NewRender Of(TemplateView template, int? width = null) => new(template.TemplateId, null, width, null, null, null, null);

    public static async Task<RenderView> SubmitAsync(Client client, string? key = null)
    {
        var template = await UploadAsync(client);
        return await client.AskAsync<RenderView>(HttpMethod.Post, "/v1/renders", Of(template), 202);
    }

    /// <summary>Cancelled, and seen to be: where that takes long, the answer shows the render as it was.</summary>
    public static async Task<RenderView> CancelAsync(Client client, JobId job, string? reason = null)
    {
        await client.AskAsync<RenderView>(HttpMethod.Post, $"/v1/renders/{job}/cancel", new ReasonGiven(reason), 202);
        return await RenderWhenAsync(client, job, v => v.Step == Step.Cancelled);
    }

    /// <summary>Tried again, and seen to be.</summary>
    public static async Task<RenderView> RetryAsync(Client client, JobId job, string? reason = null)
    {
        await client.AskAsync<RenderView>(HttpMethod.Post, $"/v1/renders/{job}/retry", new ReasonGiven(reason), 202);
        return await RenderWhenAsync(client, job, v => v.Step != Step.Failed);
    }

    /// <summary>Once its view says so.</summary>
    public static async Task<RenderView> RenderWhenAsync(Client client, JobId job, Func<RenderView, bool> so)
    {
        RenderView? last = null;
        await Until(async () => so(last = await client.GetAsync<RenderView>($"/v1/renders/{job}")), $"render {job} is seen to be as it must");
        return last!;
    }

    /// <summary>What the farm would say, until the film is there.</summary>
    public static async Task<FilmFile> FinishAsync(this Server server, JobId job)
    {
        var blobs = server.Services.GetRequiredService<Blobs>();
        var (film, bytes) = await blobs.SaveAsync(Encoding.UTF8.GetBytes($"the film of {job}"), CancellationToken.None);
        var (thumbnail, _) = await blobs.SaveAsync(Encoding.UTF8.GetBytes($"the thumbnail of {job}"), CancellationToken.None);
        var file = new FilmFile(film, bytes, thumbnail, 0.2, 6, 1.5);
        await server.SayAsync(order => new FramesRendered(job, order, 1.5), job, m => m.State == Step.Validating);
        await server.SayAsync(order => new FramesAccepted(job, order), job, m => m.Assembling);
        await server.SayAsync(order => new FilmAccepted(job, order, file), job, m => m.State == Step.Done);
        await Until(async () => (await server.FindAsync(job))?.Step == Step.Done, $"render {job} is seen to be done");
        return file;
    }

    public static async Task FailAsync(this Server server, JobId job)
    {
        await server.SayAsync(order => new RendererFailed(job, order, "AE_REPEATED_CRASH", "the engine crashed three times"), job, m => m.State == Step.Failed);
        await Until(async () => (await server.FindAsync(job))?.Step == Step.Failed, $"render {job} is seen to have failed");
    }

    // A report answers the order of the moment, as a farm's do: an order given while it was on its way is answered again.
    static async Task SayAsync(this Server server, Func<int, object> report, JobId job, Func<RenderJob, bool> taken)
    {
        var (streams, bus) = (server.Services.GetRequiredService<Streams>(), server.Services.GetRequiredService<IBus>());
        var answered = 0;
        await Until(async () =>
        {
            var memory = (await streams.LoadAsync<RenderJob>(job.Value, CancellationToken.None))!;
            if (taken(memory)) return true;
            if (memory.Order != answered) await bus.Publish(report(answered = memory.Order));
            return false;
        }, $"render {job} has taken the report");
    }

    static async Task<RenderView?> FindAsync(this Server server, JobId job)
    {
        await using var command = server.Database.CreateCommand("SELECT tenant_id FROM gateway.job_view WHERE job_id = $1");
        command.Parameters.Add(new() { Value = job.Value });
        return await command.ExecuteScalarAsync() is Guid tenant ? await server.Services.GetRequiredService<JobViews>().FindAsync(new TenantId(tenant), job, CancellationToken.None) : null;
    }

    /// <summary>Once the purse says so.</summary>
    public static async Task<CreditsView> CreditsWhenAsync(Client client, Func<CreditsView, bool> so)
    {
        CreditsView? last = null;
        await Until(async () => so(last = await client.GetAsync<CreditsView>("/v1/credits")), $"the purse is as it must be; it is {last}");
        return last!;
    }

    public static async Task Until(Func<Task<bool>> seen, string what)
    {
        using var patience = new CancellationTokenSource(Patience);
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (!await seen())
            if (patience.IsCancellationRequested || !await tick.WaitForNextTickAsync()) throw new TimeoutException($"In vain: {what}.");
    }
}
