using System.Diagnostics;

namespace FlatRender.NodeAgent.Children;

/// <summary>How far this machine lets us lock a child in; found out once, by trying.</summary>
/// <param name="DiesWithAgent">Command words that make the kernel kill the child when the agent dies, however it dies.</param>
/// <param name="NoNetwork">Command words that give the child an own, empty network.</param>
/// <param name="OwnProcesses">Command words that make the child the first process of a world of its own: when it dies, whatever it started dies, however well it hid.</param>
sealed record Confinement(IReadOnlyList<string> DiesWithAgent, IReadOnlyList<string> NoNetwork, IReadOnlyList<string> OwnProcesses)
{
    public static async Task<Confinement> Probe(CancellationToken ct)
    {
        string[] dies = ["setpriv", "--no-new-privs", "--pdeathsig", "KILL", "--"];
        string[][] lonely = [["unshare", "--net", "--"], ["unshare", "--map-root-user", "--net", "--"]];
        string[] found = [];
        foreach (var words in lonely)
        {
            if (!await Works(words, ct)) continue;
            found = words;
            break;
        }
        if (!await Works(dies, ct)) dies = [];
        // Its keeper must die with the agent and not lose that wish, as it would in a new user namespace: only where none is needed.
        string[] own = ["unshare", "--pid", "--fork", "--kill-child=KILL", "--"];
        return new(dies, found, dies.Length > 0 && await Works([.. dies, .. own], ct) ? own : []);
    }

    /// <summary>Programs that this machine lacks: nothing can be done without them.</summary>
    public static IEnumerable<string> Missing(params string[] programs)
    {
        var folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
        return programs.Where(program => !folders.Any(folder => File.Exists(Path.Combine(folder, program))));
    }

    /// <summary>What a registration tells of it, as tags.</summary>
    public IEnumerable<string> Tags => NoNetwork.Count > 0 ? ["no-network"] : [];

    /// <summary>The words of a command, wrapped. The death signal comes after the network: a new user namespace would clear it.</summary>
    public IReadOnlyList<string> Wrap(ChildPlan plan) => [.. plan.Network ? [] : NoNetwork, .. DiesWithAgent, .. plan.Untrusted ? OwnProcesses : [], .. plan.Command];

    static async Task<bool> Works(string[] words, CancellationToken ct)
    {
        try
        {
            using var process = await Nursery.Start(new ProcessStartInfo(words[0], [.. words[1..], "true"]) { RedirectStandardOutput = true, RedirectStandardError = true });
            await process.WaitForExitAsync(ct);
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }
}
