using FlatRender.Contracts;

namespace FlatRender.Bench;

/// <summary>Holds what was injected against what was found.</summary>
sealed class Tally(IReadOnlyList<Fault> plan, string folder, FaultBook book)
{
    readonly Lock _gate = new();
    readonly List<string> _notes = [];
    int _delivered, _broken, _failed, _found, _discarded, _missed, _false, _bad, _named, _struck, _again;
    readonly Dictionary<string, int> _kinds = [];

    /// <param name="isClean">Null: no film was delivered.</param>
    public void Ended(int film, RenderView view, bool? isClean, IReadOnlyList<TimelineEntry> facts)
    {
        lock (_gate)
        {
            if (isClean is null)
            {
                _failed++;
                _notes.Add($"film {film} failed: {view.ErrorCode} {view.Reason}");
            }
            else _delivered++;
            if (isClean == false)
            {
                _broken++;
                _notes.Add($"film {film} ({view.JobId}) is BROKEN");
            }
            var named = facts.Where(f => f.Type == "render.job.repair.v1")
                .SelectMany(f => new[] { "missing_frames", "corrupt_frames" }.SelectMany(k => f.Data.TryGetProperty(k, out var list) ? list.EnumerateArray().Select(n => n.GetInt32()).ToArray() : [])).ToHashSet();
            _named += named.Count;
            foreach (var fault in plan.Where(f => f.Film == film)) Judge(fault, named, isClean);
            // Films of one design are made of the same files: what was spoilt at the host spoils it for all of them.
            foreach (var fault in plan.Where(f => f.Kind == "host-flip" && f.Film % FaultPlan.Designs == film % FaultPlan.Designs && book.Struck.ContainsKey(f.Id)))
                foreach (var frame in Enumerable.Range(FaultPlan.Chunks[fault.Chunk].First, FaultPlan.Chunks[fault.Chunk].Count))
                    if (named.Remove(frame)) _bad++;
            // Whatever is still in the set was named and is not known to have been bad.
            _false += named.Count;
            if (named.Count > 0) _notes.Add($"film {film} ({view.JobId}): frames {string.Join(", ", named.Order())} were named without a fault: {string.Join(" | ", facts.Where(f => f.Type == "render.job.repair.v1").Select(f => f.Reason))}");
            if (book.Drawn.TryGetValue(film, out var drawn)) _again += Math.Max(0, drawn - FaultPlan.Frames);
        }
    }

    void Judge(Fault fault, HashSet<int> named, bool? isClean)
    {
        var (first, count) = FaultPlan.Chunks[fault.Chunk];
        // Late results strike when all is over; they are counted at the end.
        if (fault.Kind == "late") return;
        var struck = fault.IsInEngine ? Trace(fault) : book.Struck.GetValueOrDefault(fault.Id);
        if (struck is null || struck == "same" && fault.Kind != "slow")
        {
            _notes.Add($"fault {fault.Id} ({fault.Kind}, film {fault.Film}, frame {fault.Frame}, turn {fault.Turn}) did not strike{(struck is null ? "" : ": the frame looks the same with it")}");
            return;
        }
        Struck(fault.Turn == 1 ? "check-" + fault.Kind : fault.Kind);
        if (fault.IsBadPicture)
        {
            _bad++;
            if (named.Remove(fault.Frame)) _found++;
            else if (isClean == false) _missed++;
            else _discarded++;
            return;
        }
        if (fault.IsBreakdown && !book.Failures.Any(f => f.Film == fault.Film && f.Chunk == fault.Chunk))
        {
            if (isClean == false) _missed++;
            else _discarded++;
        }
        if (fault.IsBreakdown || fault.IsInEngine) return;
        // A file that was lost or spoilt takes all frames of its chunk along.
        var gone = Enumerable.Range(first, count).Where(named.Remove).Count();
        if (gone > 0) _bad += gone;
    }

    void Struck(string kind)
    {
        _struck++;
        _kinds[kind] = _kinds.GetValueOrDefault(kind) + 1;
    }

    string? Trace(Fault fault)
    {
        var path = Path.Combine(folder, $"{fault.Id}.done");
        return File.Exists(path) ? File.ReadAllText(path) : null;
    }

    public Campaign Result(int films, double seconds)
    {
        var late = plan.Where(f => f.Kind == "late" && book.Struck.ContainsKey(f.Id)).Select(f => book.Struck[f.Id]).ToArray();
        foreach (var _ in late) Struck("late");
        foreach (var taken in late.Where(l => l != "409")) _notes.Add($"a late result was answered with {taken}");
        return new(plan.Count, _struck, films, _delivered, _broken, _failed, _found, _discarded, _missed, _false, _bad, _named, _again, late.Count(l => l == "409"), _kinds, _notes, seconds);
    }
}
