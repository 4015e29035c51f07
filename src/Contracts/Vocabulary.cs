using System.Collections.Frozen;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace FlatRender.Contracts;

/// <summary>Wire name &lt;-&gt; record. A fact's wire name is its <c>type</c> in the store and its routing key on the broker; asks and reminders are named for the agenda only.</summary>
public sealed class Vocabulary
{
    readonly FrozenDictionary<string, Type> _types;
    readonly FrozenDictionary<Type, string> _names;
    readonly FrozenDictionary<string, Upcaster> _upcasters = FrozenDictionary<string, Upcaster>.Empty;

    public Vocabulary(params IEnumerable<(string Name, Type Type)> words)
    {
        var all = words.ToArray();
        _types = all.ToFrozenDictionary(w => w.Name, w => w.Type);
        _names = all.ToFrozenDictionary(w => w.Type, w => w.Name);
    }

    Vocabulary(Vocabulary words, IEnumerable<Upcaster> upcasters)
    {
        (_types, _names, _upcasters) = (words._types, words._names, upcasters.ToFrozenDictionary(u => u.From));
        foreach (var old in _upcasters.Keys)
        {
            if (_types.ContainsKey(old)) throw new ArgumentException($"'{old}' is a word of today: it needs no upcaster.", nameof(upcasters));
            // A way that leads in a circle, or to no word, is a fault of this build: better found at start than at an old event.
            var name = old;
            for (var steps = 0; _upcasters.TryGetValue(name, out var next); name = next.To)
                if (steps++ > _upcasters.Count) throw new ArgumentException($"The upcasters of '{old}' lead in a circle.", nameof(upcasters));
            TypeOf(name);
        }
    }

    /// <summary>The same words, which also reads what was stored under older names.</summary>
    /// <exception cref="ArgumentException">Upcasters lead in a circle, or change a word of today.</exception>
    /// <exception cref="UnknownWordException">Upcasters lead to a name that no record has.</exception>
    public Vocabulary With(params IEnumerable<Upcaster> upcasters) => new(this, [.. _upcasters.Values, .. upcasters]);

    /// <summary>The words of today; <see cref="OldNames"/> can only be read.</summary>
    public IReadOnlyCollection<string> Names => _types.Keys;

    public IReadOnlyCollection<string> OldNames => _upcasters.Keys;

    /// <summary>The record that messages of this name are read as.</summary>
    /// <exception cref="UnknownWordException">No record has this name.</exception>
    public Type TypeOf(string name)
    {
        while (_upcasters.TryGetValue(name, out var upcaster)) name = upcaster.To;
        return _types.TryGetValue(name, out var type) ? type : throw new UnknownWordException($"No message is called '{name}'. A newer version of FlatRender may have written it.");
    }

    public bool Knows(string name) => _types.ContainsKey(name) || _upcasters.ContainsKey(name);

    /// <summary>A stored message, of whatever shape it was stored in.</summary>
    /// <exception cref="UnknownWordException">No record has this name.</exception>
    /// <exception cref="JsonException">The JSON is not of that shape.</exception>
    public object Read(string name, string json)
    {
        if (!_upcasters.ContainsKey(name)) return JsonSerializer.Deserialize(json, TypeOf(name), Wire.Json)!;
        var message = JsonNode.Parse(json)!.AsObject();
        for (; _upcasters.TryGetValue(name, out var upcaster); name = upcaster.To) message = upcaster.Change(message);
        return message.Deserialize(TypeOf(name), Wire.Json)!;
    }

    /// <summary>A stored message as it would be stored today. What bears a name of today, or one that is not known, stays as it is.</summary>
    public (string Name, string Json) Today(string name, string json)
    {
        if (!_upcasters.ContainsKey(name)) return (name, json);
        var message = Read(name, json);
        return (NameOf(message.GetType()), JsonSerializer.Serialize(message, message.GetType(), Wire.Json));
    }

    /// <exception cref="UnknownWordException">The record has no wire name.</exception>
    public string NameOf(Type type) => _names.TryGetValue(type, out var name) ? name : throw new UnknownWordException($"{type.Name} has no name on the wire: add it to the vocabulary.");

    static (string, Type) Word<T>(string name) => (name, typeof(T));

    /// <summary>Everything that is stored or relayed.</summary>
    public static readonly Vocabulary All = new(
        Word<JobQueued>("render.job.queued.v1"),
        Word<JobRequeued>("render.job.requeued.v1"),
        Word<JobRendering>("render.job.rendering.v1"),
        Word<JobValidating>("render.job.validating.v1"),
        Word<JobFramesAccepted>("render.job.frames_accepted.v1"),
        Word<JobRepair>("render.job.repair.v1"),
        Word<JobDone>("render.job.done.v1"),
        Word<JobFailed>("render.job.failed.v1"),
        Word<JobCancelled>("render.job.cancelled.v1"),
        Word<JobHeld>("render.job.held.v1"),
        Word<JobReleased>("render.job.released.v1"),

        Word<UserRegistered>("identity.user.registered.v1"),
        Word<UserLoggedIn>("identity.user.logged_in.v1"),
        Word<UserLoggedOut>("identity.user.logged_out.v1"),
        Word<UserPasswordChanged>("identity.user.password_changed.v1"),
        Word<UserLocked>("identity.user.locked.v1"),
        Word<UserRolesChanged>("identity.user.roles_changed.v1"),
        Word<UserRemoved>("identity.user.removed.v1"),
        Word<ApiKeyIssued>("identity.api_key.issued.v1"),
        Word<ApiKeyRevoked>("identity.api_key.revoked.v1"),

        Word<ProjectCreated>("studio.project.created.v1"),
        Word<ProjectChanged>("studio.project.changed.v1"),
        Word<ProjectDeleted>("studio.project.deleted.v1"),
        Word<SnapshotTaken>("studio.snapshot.taken.v1"),

        Word<TenantCreated>("tenant.created.v1"),
        Word<TenantQuotaChanged>("tenant.quota_changed.v1"),
        Word<CreditsGranted>("tenant.credits.granted.v1"),
        Word<CreditsHeld>("tenant.credits.held.v1"),
        Word<CreditsCaptured>("tenant.credits.captured.v1"),
        Word<CreditsRefunded>("tenant.credits.refunded.v1"),

        Word<ChunkLeased>("render.chunk.leased.v1"),
        Word<ChunkCompleted>("render.chunk.completed.v1"),
        Word<ChunkRejected>("render.chunk.rejected.v1"),
        Word<ChunkExpired>("render.chunk.expired.v1"),

        Word<NodeRegistered>("node.registered.v1"),
        Word<NodeDraining>("node.draining.v1"),
        Word<NodeDrained>("node.drained.v1"),
        Word<NodeLost>("node.lost.v1"),
        Word<NodeCrashed>("node.crashed.v1"),
        Word<NodeRecovered>("node.recovered.v1"),
        Word<NodeQuarantined>("node.quarantined.v1"),

        Word<NotificationQueued>("notification.queued.v1"),
        Word<NotificationDelivered>("notification.delivered.v1"),
        Word<NotificationFailed>("notification.failed.v1"),
        Word<WebhookDisabled>("notification.webhook.disabled.v1"),

        Word<PlanFrames>("ask.plan_frames"),
        Word<ResumeFrames>("ask.resume_frames"),
        Word<ValidateFrames>("ask.validate_frames"),
        Word<RepairFrames>("ask.repair_frames"),
        Word<AssembleFilm>("ask.assemble_film"),
        Word<StopWork>("ask.stop_work"),
        Word<HoldWork>("ask.hold_work"),
        Word<ReleaseWork>("ask.release_work"),
        Word<CaptureCredits>("ask.capture_credits"),
        Word<RefundCredits>("ask.refund_credits"),

        // What people tell the pipeline.
        Word<CancelRender>("ask.cancel_render"),
        Word<RetryRender>("ask.retry_render"),

        // What the farm has to report: asks of the pipeline to hear it.
        Word<WorkStarted>("ask.hear_work_started"),
        Word<FramesRendered>("ask.hear_frames_rendered"),
        Word<FramesAccepted>("ask.hear_frames_accepted"),
        Word<FramesRejected>("ask.hear_frames_rejected"),
        Word<FilmAccepted>("ask.hear_film_accepted"),
        Word<FilmRejected>("ask.hear_film_rejected"),
        Word<RendererFailed>("ask.hear_renderer_failed"),

        Word<QueueOverdue>("remind.queue_overdue"),
        Word<RenderingStalled>("remind.rendering_stalled"),
        Word<ValidationOverdue>("remind.validation_overdue"),
        Word<RepairStalled>("remind.repair_stalled"),
        Word<HoldUnclaimed>("remind.hold_unclaimed"));
}

/// <summary>A stored or received name that this build does not know.</summary>
public sealed class UnknownWordException(string message) : Exception(message);
