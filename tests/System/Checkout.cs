using System.Text.Json.Nodes;

namespace FlatRender.SystemTests;

/// <summary>Where the programs, the samples and the real Lottie files of this checkout are.</summary>
static class Checkout
{
    public static string Root { get; } = Find();

    public static string Program => Built("Cli", "FlatRender.Cli");
    public static string Host => Built("Host", "FlatRender.Host");
    public static string Engine => Path.Combine(Root, "src/Services/NodeAgent/skottie/engine.mjs");
    public static string TitleCard => Path.Combine(Root, "samples/title-card/template.json");
    public static string Nowruz => Path.Combine(Root, "samples/nowruz/template.json");

    /// <summary>A Lottie file that nobody here made, from the folder beside the repository.</summary>
    public static string Real(string name)
    {
        var path = Path.GetFullPath(Path.Combine(Root, "../shared/lottie", name));
        return File.Exists(path) ? path : throw new FileNotFoundException($"The real Lottie files are wanted in {Path.GetDirectoryName(path)}, beside the repository: {name} is not there.");
    }

    public static JsonObject Lottie(string path) => JsonNode.Parse(File.ReadAllText(path))!.AsObject();

    static string Built(string folder, string name)
    {
        var path = Path.Combine(Root, "src/Services", folder, "bin/Release/net10.0", name + ".dll");
        return File.Exists(path) ? path : throw new FileNotFoundException($"{path} is not built: dotnet build -c Release tests/System");
    }

    static string Find()
    {
        for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
            if (File.Exists(Path.Combine(at.FullName, "FlatRender.sln")))
                return at.FullName;
        throw new FileNotFoundException("FlatRender.sln is not above the tests.");
    }
}
