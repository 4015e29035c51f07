using System.Diagnostics;

namespace FlatRender.Cli;

/// <summary>Ends the servers of a command that is itself killed: a small shell that reads our pipe and, when it breaks without a good-bye, ends what it was told of, latest first.</summary>
public sealed class Leash : IDisposable
{
    const string Script = """
        while read -r word pid; do
          [ "$word" = done ] && exit 0
          all="$word:$pid $all"
        done
        for one in $all; do kill -"${one%%:*}" "${one#*:}" 2>/dev/null; sleep 1; done
        """;

    readonly Process _shell;

    public Leash()
    {
        var info = new ProcessStartInfo("setsid") { RedirectStandardInput = true, RedirectStandardError = true, RedirectStandardOutput = true, WorkingDirectory = "/" };
        info.ArgumentList.Add("/bin/sh");
        info.ArgumentList.Add("-c");
        info.ArgumentList.Add(Script);
        _shell = Process.Start(info)!;
    }

    public void Hold(ProcessMark process, int signal)
    {
        _shell.StandardInput.WriteLine($"{signal} {process.Pid}");
        _shell.StandardInput.Flush();
    }

    /// <summary>Lets go: whatever still runs, runs on.</summary>
    public void Dispose()
    {
        try
        {
            _shell.StandardInput.WriteLine("done");
            _shell.StandardInput.Close();
            // It ends at once, but on a busy machine that takes a while; after us nothing of ours may run.
            _shell.WaitForExit(TimeSpan.FromMinutes(1));
        }
        catch (IOException)
        {
            // The shell has gone before us: nothing is held.
        }
        _shell.Dispose();
    }
}
