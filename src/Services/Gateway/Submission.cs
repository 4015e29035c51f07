using System.Text.Json;
using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.Foundation;
using MassTransit;

namespace FlatRender.Gateway;

/// <summary>Takes a new render from its request to its first stored fact.</summary>
public sealed class Submission(IServiceScopeFactory scopes, IBus bus, Blobs blobs, JobViews views, Projections projections, Till till, FirstAsked first, IBusControl broker, TimeProvider clock)
{
    static readonly TimeSpan CommitPatience = TimeSpan.FromSeconds(15), Look = TimeSpan.FromMilliseconds(500);

    /// <param name="key">The caller's idempotency key: the same key is the same render, however often it is sent.</param>
    /// <returns>The render, or why not.</returns>
    /// <exception cref="TimeoutException">The broker is away, or went while this waited for an answer it took with it.</exception>
    public async Task<(RenderView? View, IResult? Refusal)> SubmitAsync(Caller caller, NewRender ask, string? key, CancellationToken cancel)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        Task<(RenderView?, IResult?)>? submitting = null;
        while (broker.CheckHealth().Status == BusHealthStatus.Healthy)
        {
            submitting ??= SubmitOverBrokerAsync(caller, ask, key, stop.Token);
            await Task.WhenAny(submitting, Task.Delay(Look, clock, stop.Token));
            if (submitting.IsCompleted) return await submitting;
            cancel.ThrowIfCancellationRequested();
        }

        await stop.CancelAsync();
        throw new TimeoutException("The broker is away.");
    }

    static IResult Taken => Refuse.Invalid("IDEMPOTENCY_CONFLICT", "This Idempotency-Key was first sent with another request. Another render needs another key.");

    async Task<(RenderView? View, IResult? Refusal)> SubmitOverBrokerAsync(Caller caller, NewRender ask, string? key, CancellationToken cancel)
    {
        var id = new JobId(key is null ? Ids.New() : Ids.Derived(caller.TenantId.Value, "render " + key));
        var asked = ask;
        if (key is not null && await views.FindAsync(caller.TenantId, id, cancel) is { } known) return await first.TakeAsync(id, asked, cancel) ? (known, null) : (null, Taken);

        await using var scope = scopes.CreateAsyncScope();
        var source = await SourceAsync(scope.ServiceProvider, caller, ask, cancel);
        if (source.Refusal is not null) return (null, source.Refusal);
        var templateId = source.Snapshot?.TemplateId ?? ask.TemplateId!.Value;
        var found = await scope.ServiceProvider.GetRequiredService<IRequestClient<FindTemplate>>().GetResponse<FoundTemplate>(new FindTemplate(caller.TenantId, templateId), cancel);
        if (found.Message.Template is not { } template) return (null, Refuse.NotFound($"Template {templateId}"));
        if (source.Snapshot is { } shot) ask = ask with { Inputs = shot.Inputs, Width = shot.Width, Height = shot.Height, Fps = shot.Fps, Background = shot.Background };

        var (inputs, _) = await blobs.SaveAsync(JsonSerializer.SerializeToUtf8Bytes(ask.Inputs ?? new Dictionary<string, string>(), Wire.Json), cancel);
        var began = clock.GetTimestamp();
        var answer = await scope.ServiceProvider.GetRequiredService<IRequestClient<PrepareRender>>()
            .GetResponse<RenderPrepared, RenderRefused>(new PrepareRender(template.Digest, inputs, ask.Width, ask.Height, ask.Fps, ask.Background), cancel);
        if (answer.Is(out Response<RenderRefused>? refused))
        {
            var errors = refused.Message.Errors;
            return (null, Refuse.Invalid("PREFLIGHT_FAILED", errors.Count == 1 ? errors[0].Message : $"{errors.Count} things are wrong with this render.", errors));
        }

        answer.Is(out Response<RenderPrepared>? prepared);
        var film = prepared!.Message;
        // Before any money moves, and not before it could be rendered: what was wrong may be mended and sent with the same key.
        if (key is not null && !await first.TakeAsync(id, asked, cancel)) return (null, Taken);
        if (await till.HoldAsync(new HoldCredits(id, caller.TenantId, Attempt: 1, AfterOrder: 0, Price.OfMinor(film.Film.Width, film.Film.Height, film.Film.Frames)), cancel) is { } unpaid) return (null, unpaid);
        var planSeconds = Math.Round(clock.GetElapsedTime(began).TotalSeconds, 4);
        var since = clock.GetTimestamp();
        await bus.Publish(new SubmitRender(id, caller.TenantId, caller.UserId, template.Name, film.TemplateDigest, film.Film, ask.Priority ?? 50, film.Warnings, planSeconds, new Needs(templateId, ask.Tags is { Count: > 0 } tags ? tags : null), source.Snapshot?.ProjectId, source.Snapshot?.SnapshotId), cancel);

        // Accepted means stored: the answer waits for the first fact to be committed and seen.
        if (!await projections.WaitForAsync(JobViews.ProjectionName, id.Value, 1, CommitPatience, cancel))
            return (null, Refuse.Unavailable($"The render was not stored within {clock.GetElapsedTime(since).TotalSeconds:F0} s. Send it again with the same Idempotency-Key: it will not be made twice."));
        return (await views.FindAsync(caller.TenantId, id, cancel), null);
    }

    // A project is rendered as it is now: as a snapshot, which stays.
    static async Task<(SnapshotView? Snapshot, IResult? Refusal)> SourceAsync(IServiceProvider services, Caller caller, NewRender ask, CancellationToken cancel)
    {
        if (ask.TemplateId is not null) return (null, null);
        var found = await services.GetRequiredService<IRequestClient<FindSnapshot>>().GetResponse<FoundSnapshot>(new FindSnapshot(caller.TenantId, ask.SnapshotId, ask.ProjectId, caller.Name), cancel);
        return found.Message.Snapshot is { } snapshot ? (snapshot, null) : (null, Refuse.NotFound(ask.SnapshotId is { } id ? $"Snapshot {id}" : $"Project {ask.ProjectId}"));
    }
}
