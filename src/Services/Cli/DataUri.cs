namespace FlatRender.Cli;

/// <summary>Files as data: URIs, typed by what they are and not by their name.</summary>
public static class DataUri
{
    public const long MaxBytes = 20_000_000;

    public enum Found
    {
        Yes,
        No,
        Outside,
        TooLarge,
        Unknown,
    }

    /// <summary>A file that a template names; nothing outside the template's folder is read, also not through a link.</summary>
    public static Found Beside(string folder, string name, out string? uri)
    {
        uri = null;
        if (name.Length == 0 || name.Contains('\0'))
            return Found.No;
        var path = Path.GetFullPath(Path.Combine(folder, name));
        if (!Inside(folder, path))
            return File.Exists(path) ? Found.Outside : Found.No;
        return !File.Exists(path) ? Found.No : !Inside(RealPath(folder), RealPath(path)) ? Found.Outside : Of(path, out uri);
    }

    /// <summary>A file that the caller names himself.</summary>
    public static Found Of(string path, out string? uri)
    {
        uri = null;
        if (!File.Exists(path))
            return Found.No;
        if (new FileInfo(path).Length > MaxBytes)
            return Found.TooLarge;
        var bytes = File.ReadAllBytes(path);
        if (TypeOf(bytes) is not { } type)
            return Found.Unknown;
        uri = $"data:{type};base64,{Convert.ToBase64String(bytes)}";
        return Found.Yes;
    }

    static string? TypeOf(ReadOnlySpan<byte> bytes) => bytes switch
    {
        [0x89, (byte)'P', (byte)'N', (byte)'G', ..] => "image/png",
        [0xFF, 0xD8, 0xFF, ..] => "image/jpeg",
        [(byte)'G', (byte)'I', (byte)'F', (byte)'8', ..] => "image/gif",
        [(byte)'R', (byte)'I', (byte)'F', (byte)'F', _, _, _, _, (byte)'W', (byte)'E', (byte)'B', (byte)'P', ..] => "image/webp",
        [(byte)'R', (byte)'I', (byte)'F', (byte)'F', _, _, _, _, (byte)'W', (byte)'A', (byte)'V', (byte)'E', ..] => "audio/wav",
        [(byte)'I', (byte)'D', (byte)'3', ..] or [0xFF, 0xFB or 0xFA or 0xF3 or 0xF2, ..] => "audio/mpeg",
        [0xFF, 0xF1 or 0xF9, ..] => "audio/aac",
        [(byte)'O', (byte)'g', (byte)'g', (byte)'S', ..] => "audio/ogg",
        [(byte)'f', (byte)'L', (byte)'a', (byte)'C', ..] => "audio/flac",
        [_, _, _, _, (byte)'f', (byte)'t', (byte)'y', (byte)'p', ..] => "audio/mp4",
        [0, 1, 0, 0, ..] or [(byte)'t', (byte)'r', (byte)'u', (byte)'e', ..] => "font/ttf",
        [(byte)'O', (byte)'T', (byte)'T', (byte)'O', ..] => "font/otf",
        _ => null,
    };

    static bool Inside(string folder, string path) => path.StartsWith(folder.TrimEnd('/') + "/", StringComparison.Ordinal);

    /// <summary>The path with every link in it followed.</summary>
    static string RealPath(string path)
    {
        var real = "/";
        foreach (var part in path.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            var next = Path.Combine(real, part);
            FileSystemInfo info = Directory.Exists(next) ? new DirectoryInfo(next) : new FileInfo(next);
            real = info.ResolveLinkTarget(returnFinalTarget: true) is { } target ? RealPath(target.FullName) : next;
        }
        return real;
    }
}
