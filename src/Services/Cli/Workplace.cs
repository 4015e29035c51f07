namespace FlatRender.Cli;

/// <summary>Where a command runs: the checkout, the home of its data, the folder it was called from, the terminal, the clock.</summary>
public sealed record Workplace(string Root, Home Home, string Folder, Terminal Terminal, TimeProvider Clock, Func<string, string?> Variable)
{
    public static Workplace Here()
    {
        var root = Environment.GetEnvironmentVariable("FLATRENDER_ROOT") ?? FindRoot(AppContext.BaseDirectory);
        var home = Environment.GetEnvironmentVariable("FLATRENDER_HOME") is { Length: > 0 } given ? Path.GetFullPath(given) : Path.Combine(root, ".flatrender");
        return new(root, new Home(home), Environment.CurrentDirectory, Terminal.Real(), TimeProvider.System, Environment.GetEnvironmentVariable);
    }

    /// <summary>The checkout is the nearest folder above that holds the launcher.</summary>
    static string FindRoot(string folder)
    {
        for (var at = new DirectoryInfo(folder); at is not null; at = at.Parent)
            if (File.Exists(Path.Combine(at.FullName, "flatrender")) && Directory.Exists(Path.Combine(at.FullName, "src")))
                return at.FullName;
        return Environment.CurrentDirectory;
    }

    public string HostDll => Built("Host", "FlatRender.Host");
    public string NodeAgentDll => Built("NodeAgent", "FlatRender.NodeAgent");

    string Built(string folder, string name) => Path.Combine(Root, "src", "Services", folder, "bin", "Release", "net10.0", name + ".dll");
}

/// <summary>Where results (stdout) and talk (stderr) go.</summary>
/// <param name="Width">Columns of the terminal that shows the talk; 0 where it is no terminal.</param>
public sealed record Terminal(TextWriter Output, TextWriter Notes, int Width)
{
    public bool Live => Width > 0;

    public static Terminal Real() => new(Console.Out, Console.Error, Console.IsErrorRedirected ? 0 : Columns());

    public void Note(string line) => Notes.WriteLine(line);

    static int Columns()
    {
        try
        {
            return Console.WindowWidth is > 0 and var width ? width : 80;
        }
        catch (IOException)
        {
            return 80;
        }
    }
}
