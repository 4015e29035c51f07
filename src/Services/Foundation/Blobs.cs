using System.Security.Cryptography;

namespace FlatRender.Foundation;

/// <summary>Files by content: named by the SHA-256 of their bytes (lower-case hex), on disk, written once and never changed.</summary>
public sealed class Blobs(string folder)
{
    /// <returns>The path of a blob, whether it exists or not.</returns>
    /// <exception cref="ArgumentException">Not a digest: a path is never made from anything else.</exception>
    public string PathOf(string digest) =>
        IsDigest(digest) ? Path.Combine(folder, digest[..2], digest) : throw new ArgumentException($"'{digest}' is not a SHA-256 digest in lower-case hex.", nameof(digest));

    public static bool IsDigest(string? text) => text is { Length: 64 } && text.All(c => c is >= '0' and <= '9' or >= 'a' and <= 'f');

    public bool Exists(string digest) => File.Exists(PathOf(digest));

    public Stream Open(string digest) => File.OpenRead(PathOf(digest));

    /// <summary>An empty file to write to; <see cref="KeepAsync"/> takes it in.</summary>
    public string NewScratch()
    {
        var path = Path.Combine(folder, "scratch", Path.GetRandomFileName());
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        return path;
    }

    /// <summary>Stores what the stream holds.</summary>
    /// <returns>Its digest and size in bytes.</returns>
    public async Task<(string Digest, long Bytes)> SaveAsync(Stream content, CancellationToken cancel)
    {
        var scratch = NewScratch();
        try
        {
            await using (var file = File.Create(scratch)) await content.CopyToAsync(file, cancel);
            return await KeepAsync(scratch, cancel);
        }
        finally
        {
            File.Delete(scratch);
        }
    }

    public Task<(string Digest, long Bytes)> SaveAsync(byte[] content, CancellationToken cancel) => SaveAsync(new MemoryStream(content), cancel);

    /// <summary>Takes a finished scratch file in under its digest. The rename is what makes it exist: no half-written blob is ever seen.</summary>
    public async Task<(string Digest, long Bytes)> KeepAsync(string scratch, CancellationToken cancel)
    {
        string digest;
        long bytes;
        await using (var file = new FileStream(scratch, FileMode.Open, FileAccess.ReadWrite))
        {
            digest = Convert.ToHexStringLower(await SHA256.HashDataAsync(file, cancel));
            bytes = file.Length;
            file.Flush(flushToDisk: true);
        }

        var path = PathOf(digest);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        // Also over one that is there: the same bytes, unless the disk has damaged them meanwhile.
        File.Move(scratch, path, overwrite: true);
        return (digest, bytes);
    }
}
