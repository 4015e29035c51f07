using FlatRender.Contracts;
using FlatRender.EventStore;

namespace FlatRender.Gateway.Sockets;

/// <summary>A render that somebody watches: where it stands, and who is to be told.</summary>
sealed class LiveJob(JobId id, LiveProgress live, Vocabulary vocabulary, Pace pace, Wheel wheel)
{
    readonly Lock _gate = new(), _moving = new();
    Watcher[] _watchers = [];
    JobFold? _fold;
    ReadOnlyMemory<byte> _ending;
    string? _preview;
    int _guests;
    long _beatAt = Pace.Never, _pictureAt = Pace.Never;
    (string What, NodeId Node, long At) _trouble;
    bool _changed, _beatComes, _gone;

    public JobId Id => id;

    /// <summary>The version of history that watchers have been told of; 0 before it was read for the first time.</summary>
    public long Seq => Volatile.Read(ref _fold)?.Seq ?? 0;

    public JobFold? Fold => Volatile.Read(ref _fold);

    /// <summary>Somebody comes. False: the last one has just left, and with them all that was known here.</summary>
    public bool Enter()
    {
        lock (_gate)
        {
            if (!_gone) _guests++;
            return !_gone;
        }
    }

    /// <returns>True: nobody is left.</returns>
    public bool Leave(Watcher? watcher)
    {
        lock (_gate)
        {
            if (watcher is not null) _watchers = [.. _watchers.Where(w => w != watcher)];
            _gone = --_guests == 0;
            return _gone;
        }
    }

    /// <summary>Hello, and from now on everything that is newer than it.</summary>
    public void Join(Watcher watcher)
    {
        lock (_gate)
        {
            watcher.Outbox.Tell(Beat.Json(_fold!.Hello(live.Latest(id))), _fold.Seq);
            watcher.Welcome();
            if (_fold.IsTerminal) End(watcher);
            else _watchers = [.. _watchers, watcher];
        }
    }

    /// <summary>What the store has beyond <see cref="Seq"/>, or had a moment ago: what was told already is not told again.</summary>
    public void Move(IReadOnlyList<RecordedEvent> facts)
    {
        if (facts.Count == 0) return;
        // Whoever read them: they are told in their order.
        lock (_moving) Tell(facts);
    }

    void Tell(IReadOnlyList<RecordedEvent> facts)
    {
        Watcher[] told;
        List<(ReadOnlyMemory<byte>, long Seq)> messages;
        bool over;
        lock (_gate)
        {
            var before = _fold;
            messages = [.. Take(facts).Select(m => (Beat.Json(m), ((LiveAboutJob)m).Seq))];
            if (_fold is null || _fold == before) return;
            (told, over) = (_watchers, _fold.IsTerminal);
            if (over) _watchers = [];
        }

        foreach (var watcher in told)
        {
            foreach (var (bytes, seq) in messages.SkipLast(over ? 1 : 0)) watcher.Outbox.Tell(bytes, seq);
            if (over) End(watcher);
        }

        if (!over) Changed(null);
    }

    /// <summary>Told once, however many pieces of work the node had in hand.</summary>
    public void Troubled(string what, NodeId node, string reason)
    {
        ReadOnlyMemory<byte> message;
        Watcher[] told;
        long seq;
        lock (_gate)
        {
            var now = pace.Now;
            if (_fold is null or { IsTerminal: true } || _trouble.Node == node && _trouble.What == what && now - _trouble.At < pace.Farewell) return;
            _trouble = (what, node, now);
            seq = _fold.Seq;
            message = Beat.Json(new LiveNodeEvent(id, what, node, true, reason, seq));
            told = _watchers;
        }

        foreach (var watcher in told) watcher.Outbox.Tell(message, seq);
        Changed(null);
    }

    List<LiveMessage> Take(IReadOnlyList<RecordedEvent> facts)
    {
        var tell = new List<LiveMessage>();
        foreach (var fact in facts) _fold = JobFold.Take(_fold, fact, vocabulary, tell);
        if (_fold is { IsTerminal: true } && tell.Count > 0) _ending = Beat.Json(tell[^1]);
        return tell;
    }

    void End(Watcher watcher) => watcher.Outbox.TellLast(_ending, _fold!.Seq, LiveClose.Normal, "the render has ended", pace.Linger);

    /// <summary>There is something new to show: at once, or when the last beat is long enough ago.</summary>
    public void Changed(string? preview)
    {
        lock (_gate)
        {
            _changed = true;
            _preview = preview ?? _preview;
            if (_beatComes || _gone || _fold is null or { IsTerminal: true }) return;
            _beatComes = true;
            var wait = _beatAt + pace.BeatEvery - pace.Now;
            if (wait > 0)
            {
                wheel.Add(this, _beatAt + pace.BeatEvery);
                return;
            }
        }

        Show();
    }

    /// <summary>Tells everybody how far the render is.</summary>
    public void Show()
    {
        Beat beat;
        Watcher[] shown;
        lock (_gate)
        {
            _beatComes = false;
            if (!_changed || _gone || _fold is null or { IsTerminal: true } || _watchers.Length == 0) return;
            _changed = false;
            _beatAt = pace.Now;
            var picture = _preview is not null && _beatAt - _pictureAt >= pace.PictureEvery ? _preview : null;
            if (picture is not null) (_preview, _pictureAt) = (null, _beatAt);
            beat = new Beat(_fold.Advance(live.Latest(id), picture));
            shown = _watchers;
        }

        foreach (var watcher in shown) watcher.Outbox.Offer(beat);
    }
}
