using FlatRender.Contracts;
using FlatRender.EventStore;

namespace FlatRender.Gateway.Sockets;

/// <summary>A render as its watchers know it: a fold of its facts, and what each fact tells them.</summary>
/// <param name="Note">What a person may want to know beside the step, or null.</param>
/// <param name="Stopped">Per cent at the end, for a render that ended without a film.</param>
sealed record JobFold(JobId Id, TenantId Tenant, string Step, int Frames, DateTimeOffset? StartedAt, long Seq, string? Note, int? Stopped)
{
    public bool IsTerminal => Contracts.Step.IsTerminal(Step);

    /// <summary>A fact that is not the next one leaves all as it is.</summary>
    /// <param name="before">Null before the first fact.</param>
    /// <returns>Null: still not begun.</returns>
    public static JobFold? Take(JobFold? before, RecordedEvent fact, Vocabulary vocabulary, List<LiveMessage> tell)
    {
        if (fact.Version != (before?.Seq ?? 0) + 1) return before;
        // A newer version of FlatRender may have written it: what it says is for others.
        var read = vocabulary.Knows(fact.Type) ? fact.Fact(vocabulary) : null;
        if (before is null) return read is JobQueued queued ? new JobFold(queued.JobId, queued.TenantId, Contracts.Step.Queued, queued.Film.Frames, null, 1, null, null) : null;
        var after = before.Apply(read) with { Seq = fact.Version };
        if (after.Step != before.Step) tell.Add(new LiveStepChange(after.Id, before.Step, after.Step, fact.Timestamp, after.Seq));
        if (after.Tell(before, read, fact) is { } message) tell.Add(message);
        return after;
    }

    JobFold Apply(object? fact) => fact switch
    {
        JobRequeued e => this with { Step = Contracts.Step.Queued, Note = e.Reason, Stopped = null },
        JobRendering e => this with { Step = Contracts.Step.Rendering, StartedAt = StartedAt ?? e.StartedAt, Note = Delay(e.Stalls, e.Reason) },
        JobValidating e => this with { Step = Contracts.Step.Validating, Note = Delay(e.Stalls, e.Reason) },
        JobFramesAccepted e => this with { Note = e.Reason },
        JobRepair e => this with { Step = Contracts.Step.Repair, Note = Delay(e.Stalls, e.Reason) },
        JobDone => this with { Step = Contracts.Step.Done, Note = null },
        JobFailed => this with { Step = Contracts.Step.Failed, Note = null },
        JobCancelled e => this with { Step = Contracts.Step.Cancelled, Note = null, Stopped = e.ProgressWhenCancelled },
        JobHeld e => this with { Note = $"held: {e.Reason}" },
        JobReleased => this with { Note = null },
        _ => this,
    };

    static string? Delay(int stalls, string reason) => stalls > 0 ? reason : null;

    LiveAboutJob? Tell(JobFold before, object? read, RecordedEvent fact) => read switch
    {
        JobRepair e when before.Step != Contracts.Step.Repair => new LiveFrameRepair(Id, e.MissingFrames, e.CorruptFrames, e.Attempt, e.MaxAttempts, Seq),
        JobDone e => new LiveDone(Id, Ids.Derived(Id.Value, "export"), $"/v1/renders/{Id}/film", $"/v1/renders/{Id}/thumbnail", e.Film.DurationSec, e.Film.SizeBytes, e.Film.ComputeSeconds, Seq),
        JobFailed e => new LiveFailed(Id, e.FailedAtStep, e.Reason, e.ErrorCode, e.RefundIssued, TraceOf(fact), Seq),
        JobCancelled e => new LiveCancelled(Id, e.CancelledAt, e.ProgressWhenCancelled, Seq),
        _ => null,
    };

    /// <summary>A W3C trace is 32 hex digits between its version and its span: a UUID in other clothes.</summary>
    static Guid TraceOf(RecordedEvent fact) => fact.Header("trace") is { Length: >= 35 } trace && Guid.TryParseExact(trace.AsSpan(3, 32), "N", out var id) ? id : fact.EventId;

    public LiveHello Hello(RenderProgress? live) => new(Id, new LiveState(Step, Percent(live), Frame(live), Frames, StartedAt), Seq);

    public LiveAdvance Advance(RenderProgress? live, string? preview) =>
        new(Id, Step, Percent(live), Frame(live), Frames, IsTerminal ? null : live?.EtaSeconds, preview, IsTerminal ? 0 : live?.ActiveNodes ?? 0, Note, Seq);

    public int Percent(RenderProgress? live) => Stopped ?? (Frames == 0 ? 0 : (int)(100L * Frame(live) / Frames));

    // Queued is before the first frame, whatever an earlier life of the render has drawn; done is after the last.
    int Frame(RenderProgress? live) => Step switch
    {
        Contracts.Step.Queued => 0,
        Contracts.Step.Done => Frames,
        _ when Stopped is { } stopped => (int)((long)Frames * stopped / 100),
        _ => Math.Clamp(live?.FramesDone ?? 0, 0, Frames),
    };
}
