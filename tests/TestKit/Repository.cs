namespace FlatRender.TestKit;

/// <summary>The checkout the tests run in.</summary>
public static class Repository
{
    /// <summary>The folder with FlatRender.sln.</summary>
    public static string Root { get; } = Find();

    static string Find()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, "FlatRender.sln"))) return folder.FullName;
        throw new DirectoryNotFoundException("FlatRender.sln is nowhere above the tests.");
    }
}
