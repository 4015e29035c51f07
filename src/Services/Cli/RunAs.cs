namespace FlatRender.Cli;

/// <summary>Who runs PostgreSQL, which refuses root: ourselves, or a system user when we are root.</summary>
public sealed record RunAs(string? User)
{
    /// <summary>The words put before a command that this user runs.</summary>
    public IReadOnlyList<string> Prefix => User is null ? [] : ["setpriv", "--reuid", User, "--regid", User, "--clear-groups"];

    public static async Task<RunAs> FindAsync(CancellationToken stop)
    {
        if (!Environment.IsPrivilegedProcess)
            return new(User: null);
        var known = File.ReadLines("/etc/passwd").Select(line => line.Split(':')[0]).ToHashSet();
        if (known.Contains("postgres"))
            return new("postgres");
        if (!known.Contains("flatrender"))
        {
            var made = await Programs.RunAsync(["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", "flatrender"], stop);
            if (made.ExitCode != 0)
                throw Refusal.BadInput("NO_DATABASE_USER", $"PostgreSQL does not run as root, and the system user 'flatrender' could not be made: {made.LastWords}");
        }
        return new("flatrender");
    }

    /// <summary>Makes a folder that this user owns and can reach; false where a folder above keeps it out.</summary>
    public async Task<bool> OwnFolderAsync(string folder, CancellationToken stop)
    {
        Directory.CreateDirectory(folder);
        if (User is null)
            return true;
        await Programs.RunAsync(["chown", $"{User}:{User}", folder], stop);
        await Programs.RunAsync(["chmod", "700", folder], stop);
        var reach = await Programs.RunAsync([.. Prefix, "test", "-w", folder, "-a", "-x", folder], stop);
        return reach.ExitCode == 0;
    }
}
