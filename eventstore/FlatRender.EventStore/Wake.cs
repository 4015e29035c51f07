namespace FlatRender.EventStore;

/// <summary>Wakes who waits for commits of this process. Signals run together: a hundred commits wake a sleeper once.</summary>
public sealed class Wake
{
    Signal[] _facts = [], _agenda = [], _here = [];
    volatile bool _agendaHere;

    /// <summary>A signal of its own for one reader of facts.</summary>
    public Signal OnFacts() => Added(ref _facts);

    /// <summary>A signal of its own for one reader of the agenda.</summary>
    public Signal OnAgenda() => Added(ref _agenda);

    internal Signal OnCommitsHere() => Added(ref _here);

    /// <summary>Whether commits of this process brought something due for whoever sends agendas, since the last time this was asked.</summary>
    internal bool TakeAgendaHere()
    {
        var was = _agendaHere;
        _agendaHere = false;
        return was;
    }

    internal void Committed(bool facts, bool agenda)
    {
        if (facts) Raise(ref _facts);
        if (agenda) Raise(ref _agenda);
        if (agenda) _agendaHere = true;
        Raise(ref _here);
    }

    internal void CommittedElsewhere(bool agenda)
    {
        Raise(ref _facts);
        if (agenda) Raise(ref _agenda);
    }

    /// <summary>So many agenda rows are done with that it is time to delete them.</summary>
    internal void AgendaDone() => Raise(ref _agenda);

    static void Raise(ref Signal[] signals)
    {
        foreach (var signal in Volatile.Read(ref signals)) signal.Raise();
    }

    static Signal Added(ref Signal[] to)
    {
        var signal = new Signal();
        for (var seen = Volatile.Read(ref to); ;)
        {
            var was = Interlocked.CompareExchange(ref to, [.. seen, signal], seen);
            if (was == seen) return signal;
            seen = was;
        }
    }
}
