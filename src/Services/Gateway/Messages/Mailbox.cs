namespace FlatRender.Gateway.Messages;

/// <summary>The requests of one socket that wait for an answer, and the one way by which an answer, an error or the lack of both ends each of them.</summary>
sealed class Mailbox(MessageTally tally, TimeProvider clock, Func<ReadOnlyMemory<byte>, Task> send)
{
    readonly Lock _gate = new();
    // Of one name there may be several: an answer says no more than the name, and goes to the one that waits longest.
    readonly Dictionary<string, List<Waiting>> _waiting = [];
    bool _closed;

    /// <summary>Where a carrier keeps what it knows of this mailbox.</summary>
    public object? Address { get; set; }

    /// <summary>Most bytes of an answer.</summary>
    public int ReplyBytes { get; set; } = MessageLimits.Default.ReplyBytes;

    sealed class Waiting(Mailbox box, string name, MessageRoute route, long since, Action done)
    {
        ITimer? _timer;

        public string Name => name;
        public MessageRoute Route => route;
        public long Since => since;

        /// <summary>Called when the answer has left: until then it counts as in flight.</summary>
        public Action Done => done;

        public void Begin(TimeProvider clock) => _timer = clock.CreateTimer(static w => ((Waiting)w!).RunOut(), this, route.Timeout, Timeout.InfiniteTimeSpan);
        public void End() => _timer?.Dispose();

        void RunOut()
        {
            if (box.Take(this)) _ = box.AnswerAsync(this, new MessageError(MessageError.Timeout, "The service did not answer in time.").For(name), "timeout");
        }
    }

    /// <summary>From now on an answer is waited for.</summary>
    /// <param name="done">Called once, when the answer was sent or never will be.</param>
    /// <returns>What <see cref="FailAsync"/> takes.</returns>
    public object Await(string name, MessageRoute route, Action done)
    {
        var waiting = new Waiting(this, name, route, clock.GetTimestamp(), done);
        lock (_gate)
        {
            if (!_waiting.TryGetValue(name, out var same)) _waiting[name] = same = new(1);
            same.Add(waiting);
            waiting.Begin(clock);
        }

        return waiting;
    }

    /// <summary>A request that could not be carried; nothing, where it has been answered already.</summary>
    public Task FailAsync(object waiting, MessageError error) =>
        waiting is Waiting w && Take(w) ? AnswerAsync(w, error.For(w.Name), "refused") : Task.CompletedTask;

    /// <summary>The broker or the microservice has given up on requests of this socket.</summary>
    public void Fail(Func<MessageRoute, bool> which, MessageError error)
    {
        Waiting[] these;
        lock (_gate) these = [.. _waiting.Values.SelectMany(w => w).Where(w => which(w.Route))];
        foreach (var waiting in these) _ = FailAsync(waiting, error);
    }

    /// <summary>The newest request of this name for this route came back: nobody listens.</summary>
    public void Return(string? name, string routingKey, MessageError error)
    {
        Waiting? back = null;
        lock (_gate) back = name is not null && _waiting.TryGetValue(name, out var same) ? same.FindLast(w => w.Route.RoutingKey == routingKey) : null;
        if (back is not null) _ = FailAsync(back, error);
        else if (name is null) _ = send(error.For(null));
    }

    /// <param name="name">What the answer was marked with; null: see inside.</param>
    /// <param name="body">Valid until this returns.</param>
    public void Deliver(string? name, ReadOnlySpan<byte> body)
    {
        name ??= Reply.NameIn(body);
        Waiting? first = null;
        lock (_gate)
        {
            if (name is not null && _waiting.TryGetValue(name, out var same)) Remove(first = same[0], same);
        }

        if (first is null) tally.Drop();
        else _ = AnswerAsync(first, Reply.For(body, first.Name, ReplyBytes), "answered");
    }

    /// <summary>The client is gone. Whatever is answered now is answered to nobody.</summary>
    public void Close()
    {
        Waiting[] all;
        lock (_gate)
        {
            _closed = true;
            all = [.. _waiting.Values.SelectMany(w => w)];
            _waiting.Clear();
        }

        foreach (var waiting in all)
        {
            waiting.End();
            tally.End(waiting.Route, "left", waiting.Since);
            waiting.Done();
        }
    }

    bool Take(Waiting waiting)
    {
        lock (_gate) return _waiting.TryGetValue(waiting.Name, out var same) && Remove(waiting, same);
    }

    bool Remove(Waiting waiting, List<Waiting> same)
    {
        if (!same.Remove(waiting)) return false;
        if (same.Count == 0) _waiting.Remove(waiting.Name);
        return true;
    }

    async Task AnswerAsync(Waiting waiting, ReadOnlyMemory<byte> message, string how)
    {
        waiting.End();
        tally.End(waiting.Route, how, waiting.Since);
        try
        {
            if (!Volatile.Read(ref _closed)) await send(message);
        }
        finally
        {
            waiting.Done();
        }
    }
}
