namespace FlatRender.Cli;

/// <summary>Where the film goes: looked at before the work, written beside and renamed after it.</summary>
public static class FilmFileName
{
    /// <summary>Why the film could not be written there, or null.</summary>
    public static string? Problem(string output, string template)
    {
        if (Directory.Exists(output))
            return $"{output} is a folder: name a file, such as {Path.Combine(output, "film.mp4")}";
        if (output == template)
            return "the film would replace its template";
        var folder = Path.GetDirectoryName(output)!;
        if (!Directory.Exists(folder))
            return $"the folder {folder} does not exist";
        // A rename would replace the device itself.
        if (output.StartsWith("/dev/", StringComparison.Ordinal) || output.StartsWith("/proc/", StringComparison.Ordinal))
            return $"{output} is no place for a film";
        try
        {
            if (File.Exists(output))
                File.OpenWrite(output).Dispose();
            var probe = Beside(output);
            using (File.Create(probe, 1, FileOptions.DeleteOnClose))
                return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $"{output} cannot be written: {(e is UnauthorizedAccessException ? "permission denied" : e.Message)}";
        }
    }

    /// <summary>A name in the same folder, so that the rename is one step.</summary>
    public static string Beside(string output) => Path.Combine(Path.GetDirectoryName(output)!, $".{Path.GetFileName(output)}.{Environment.ProcessId}.part");
}
