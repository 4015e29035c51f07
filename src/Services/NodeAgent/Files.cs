using System.Security.Cryptography;

namespace FlatRender.NodeAgent;

/// <summary>The blobs tasks name, by SHA-256: fetched from home, verified, kept in a folder of limited size, the longest unused thrown away first.</summary>
sealed class Files
{
    /// <summary>For what does not pass by itself. A host that is away is waited for until the caller's time is over.</summary>
    const int Tries = 6;
    readonly Home _home;
    readonly TimeProvider _clock;
    readonly string _folder;
    readonly long _cap;
    readonly Lock _gate = new();
    readonly Dictionary<string, Kept> _kept = [];
    long _held, _uses;

    public Files(Home home, string folder, long cap, TimeProvider clock)
    {
        (_home, _folder, _cap, _clock) = (home, folder, cap, clock);
        Directory.CreateDirectory(folder);
        foreach (var file in new DirectoryInfo(folder).EnumerateFiles().OrderBy(f => f.LastWriteTimeUtc))
        {
            // What was being written when the last agent died is nobody's.
            if (IsDigest(file.Name)) Add(file.Name, file.Length);
            else file.Delete();
        }
        Trim();
    }

    public static bool IsDigest(string? text) => text is { Length: 64 } && text.All(char.IsAsciiHexDigitLower);

    /// <exception cref="BlobMissing">The host has no such blob, or only a damaged one.</exception>
    /// <exception cref="OperationCanceledException">The caller's time is over; where it waited for the host, the message is why.</exception>
    public async Task<Borrowed> Fetch(string digest, CancellationToken ct)
    {
        if (!IsDigest(digest)) throw new BlobMissing(digest, $"'{digest}' is no SHA-256 digest.");
        if (Borrow(digest) is { } here)
        {
            // A disk forgets and flips: what was right when it was kept is looked at again before anything is made of it.
            if (await DigestOrNone(here.Path, ct) == digest) return here;
            here.Dispose();
            Forget(digest);
        }
        string? damaged = null;
        try
        {
            return await Backoff.Retry(Tries, _clock, async () =>
            {
                var partial = Path.Combine(_folder, $"{digest}.{Path.GetRandomFileName()}");
                damaged = null;
                try
                {
                    var got = await _home.Download(digest, partial, ct) ?? throw new BlobMissing(digest, $"The host has no file {digest}.");
                    if (got != digest) throw new IOException(damaged = $"The host sent {got} for file {digest}.");
                    return Take(digest, partial);
                }
                finally
                {
                    File.Delete(partial);
                }
            }, ct);
        }
        catch (IOException) when (damaged is not null)
        {
            // The host's own copy is bad: as good as none, and what was made once can be made again.
            throw new BlobMissing(digest, damaged);
        }
    }

    /// <summary>Sends a file home and keeps it; the file at <paramref name="path"/> is moved away.</summary>
    public async Task<Borrowed> Send(string path, CancellationToken ct)
    {
        var digest = await DigestOf(path, ct);
        await Backoff.Retry(Tries, _clock, async () =>
        {
            await _home.Upload(digest, path, ct);
            return true;
        }, ct);
        return Take(digest, path);
    }

    public static async Task<string> DigestOf(string path, CancellationToken ct)
    {
        await using var file = File.OpenRead(path);
        return Convert.ToHexStringLower(await SHA256.HashDataAsync(file, ct));
    }

    static async Task<string> DigestOrNone(string path, CancellationToken ct)
    {
        try
        {
            return await DigestOf(path, ct);
        }
        catch (FileNotFoundException)
        {
            return "";
        }
    }

    /// <summary>Who reads it at this moment keeps the open file; the next who asks gets a good copy.</summary>
    void Forget(string digest)
    {
        lock (_gate)
        {
            File.Delete(Path.Combine(_folder, digest));
            if (_kept.Remove(digest, out var kept)) _held -= kept.Bytes;
        }
    }

    Borrowed Take(string digest, string path)
    {
        lock (_gate)
        {
            if (!_kept.ContainsKey(digest))
            {
                var kept = Path.Combine(_folder, digest);
                File.Move(path, kept, overwrite: true);
                Add(digest, new FileInfo(kept).Length);
            }
            var borrowed = Borrow(digest)!;
            Trim();
            return borrowed;
        }
    }

    Borrowed? Borrow(string digest)
    {
        lock (_gate)
        {
            if (!_kept.TryGetValue(digest, out var kept)) return null;
            kept.Borrowers++;
            kept.Used = ++_uses;
            return new Borrowed(digest, Path.Combine(_folder, digest), kept.Bytes, () => Return(kept));
        }
    }

    void Return(Kept kept)
    {
        lock (_gate)
        {
            kept.Borrowers--;
            Trim();
        }
    }

    void Add(string digest, long bytes)
    {
        _kept[digest] = new Kept { Bytes = bytes, Used = ++_uses };
        _held += bytes;
    }

    void Trim()
    {
        foreach (var (digest, kept) in _kept.Where(k => k.Value.Borrowers == 0).OrderBy(k => k.Value.Used).TakeWhile(_ => _held > _cap).ToArray())
        {
            if (_held <= _cap) return;
            File.Delete(Path.Combine(_folder, digest));
            _kept.Remove(digest);
            _held -= kept.Bytes;
        }
    }

    sealed class Kept
    {
        public required long Bytes;
        public long Used;
        public int Borrowers;
    }
}

/// <summary>A kept file that is not thrown away while somebody reads it.</summary>
sealed class Borrowed(string digest, string path, long bytes, Action giveBack) : IDisposable
{
    Action? _giveBack = giveBack;
    public string Digest => digest;
    public string Path => path;
    public long Bytes => bytes;

    public void Dispose() => Interlocked.Exchange(ref _giveBack, null)?.Invoke();
}

/// <summary>A blob that a task names is not at home.</summary>
sealed class BlobMissing(string digest, string reason) : Exception(reason)
{
    public string Digest => digest;
}
