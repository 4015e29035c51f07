using System.ComponentModel;
using FlatRender.Contracts;

namespace FlatRender.Cli;

/// <summary>What the process says to whoever called it.</summary>
public static class Exit
{
    public const int Ok = 0, Failed = 1, BadInput = 2, Interrupted = 130;
}

/// <summary>The table of commands, and the one place where their failures become words and exit codes.</summary>
public static class Commands
{
    public static async Task<int> RunAsync(Workplace at, IReadOnlyList<string> args, CancellationToken stop)
    {
        var json = args.Contains("--json");
        try
        {
            return await DispatchAsync(at, args, stop);
        }
        catch (Refusal refusal)
        {
            Report.Refusal(at.Terminal, refusal, json);
            return refusal.ExitCode;
        }
        catch (ApiRefusal refusal)
        {
            Report.Refusal(at.Terminal, refusal.AsRefusal(Exit.Failed), json);
            return Exit.Failed;
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            at.Terminal.Note("interrupted");
            return Exit.Interrupted;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The disk is full, a folder may not be written: words of the operating system, without our stack.
            Report.Refusal(at.Terminal, Refusal.BadInput("IO", e.Message), json);
            return Exit.BadInput;
        }
        catch (Win32Exception e)
        {
            Report.Refusal(at.Terminal, Refusal.BadInput("NOT_INSTALLED", $"{e.Message} (`flatrender doctor` says what is missing)"), json);
            return Exit.BadInput;
        }
        catch (HttpRequestException e)
        {
            Report.Refusal(at.Terminal, Refusal.Failed("HOST_UNREACHABLE", $"The host does not answer: {e.Message}"), json);
            return Exit.Failed;
        }
    }

    static Task<int> DispatchAsync(Workplace at, IReadOnlyList<string> args, CancellationToken stop)
    {
        var rest = args.Skip(1).ToArray();
        if (rest.FirstOrDefault() is "--help" or "-h" && args[0] is not ("serve" or "node" or "migrate" or "audit" or "projections" or "bench"))
            return Help.Print(at);
        return args.FirstOrDefault() switch
        {
            null or "help" or "--help" or "-h" => Help.Print(at),
            "version" or "--version" => Help.PrintVersion(at),
            "render" => RenderCommand.RunAsync(at, rest, stop),
            "up" => UpCommand.RunAsync(at, rest, stop),
            "down" => DownCommand.RunAsync(at, rest, stop),
            "status" => StatusCommand.RunAsync(at, rest, stop),
            "doctor" => DoctorCommand.RunAsync(at, rest, stop),
            "jobs" => JobsCommand.RunAsync(at, rest, stop),
            "why" => WhyCommand.RunAsync(at, rest, stop),
            "nodes" => NodesCommand.RunAsync(at, rest, stop),
            "limits" => LimitsCommand.RunAsync(at, rest, stop),
            "cancel" => VerbCommand.RunAsync(at, "cancel", rest, stop),
            "retry" => VerbCommand.RunAsync(at, "retry", rest, stop),
            "cluster" => ClusterCommand.RunAsync(at, rest, stop),
            "test" => TestCommand.RunAsync(at, rest, stop),
            "bench" => BenchCommand.RunAsync(at, rest, stop),
            "serve" or "migrate" or "audit" or "projections" or "deadletters" => PassOn.ToHostAsync(at, args, stop),
            "node" => PassOn.ToNodeAsync(at, rest, stop),
            var unknown => throw Refusal.BadInput("UNKNOWN_COMMAND", $"there is no command '{unknown}': see `flatrender help`"),
        };
    }
}

/// <summary>A command that cannot go on, with everything that is wrong, and how the process ends.</summary>
public sealed class Refusal(int exitCode, IReadOnlyList<Problem> problems, string? traceId = null, string? jobId = null) : Exception(string.Join("; ", problems.Select(p => p.Message)))
{
    public int ExitCode => exitCode;
    public IReadOnlyList<Problem> Problems => problems;
    public string? TraceId => traceId;
    public string? JobId => jobId;

    public static Refusal BadInput(string code, string message, string? field = null) => new(Exit.BadInput, [new Problem(field, code, message)]);
    public static Refusal Failed(string code, string message, string? traceId = null, string? jobId = null) => new(Exit.Failed, [new Problem(null, code, message)], traceId, jobId);
}
