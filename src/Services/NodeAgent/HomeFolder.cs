using FlatRender.Contracts;

namespace FlatRender.NodeAgent;

/// <summary>The agent's folder: its name for life, its files, its scratch. One agent each.</summary>
static class HomeFolder
{
    /// <exception cref="BadArguments">Another agent lives here.</exception>
    public static FileStream Claim(string home)
    {
        Directory.CreateDirectory(home);
        try
        {
            var claim = new FileStream(Path.Combine(home, "lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            Clear(home);
            return claim;
        }
        catch (IOException e)
        {
            throw new BadArguments([$"'{home}' cannot be used: {e.Message}"]);
        }
    }

    /// <summary>A node that comes back is the node it was.</summary>
    public static NodeId Identity(string home)
    {
        var path = Path.Combine(home, "node-id");
        if (File.Exists(path) && Guid.TryParse(File.ReadAllText(path), out var known)) return new NodeId(known);
        var id = Ids.New();
        File.WriteAllText(path, id.ToString());
        return new NodeId(id);
    }

    public static void Release(FileStream claim, string home)
    {
        Clear(home);
        claim.Dispose();
    }

    /// <summary>Nothing in the scratch folder outlives the agent that made it.</summary>
    static void Clear(string home)
    {
        var scratch = Path.Combine(home, "scratch");
        if (Directory.Exists(scratch)) Directory.Delete(scratch, recursive: true);
    }
}
