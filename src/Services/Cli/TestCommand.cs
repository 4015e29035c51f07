using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;

namespace FlatRender.Cli;

/// <summary>`flatrender test`: every suite of the checkout, on servers of its own. The last line is "N passed, N failed".</summary>
public static partial class TestCommand
{
    public static async Task<int> RunAsync(Workplace at, IReadOnlyList<string> args, CancellationToken stop)
    {
        var line = CommandLine.Parse(args, new Option("filter", "X"), new Option("marten")).Takes(0, 0, "").OrRefuse();
        if (line.Has("marten"))
            return await RunOnMartenAsync(at, stop);
        var solution = Path.Combine(at.Root, "FlatRender.sln");
        var (suites, filter) = Choose(Find(at.Root, solution), line.Value("filter"));
        var output = at.Terminal.Output;
        if (await BuildAsync(at, solution, stop) is { } broken)
        {
            await output.WriteLineAsync(broken + "\n\nthe build failed\n0 passed, 1 failed");
            return Exit.Failed;
        }
        var passed = 0;
        var failed = 0;
        await using (var servers = await TestServers.StartAsync(at, durable: false, stop))
        {
            foreach (var suite in suites)
            {
                var since = Stopwatch.GetTimestamp();
                var result = await suite.RunAsync(at, servers.Variables, filter, stop);
                passed += result.Passed;
                failed += result.Failed;
                await output.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"{suite.Name,-14} {result.Passed,5} passed {result.Failed,4} failed {Stopwatch.GetElapsedTime(since).TotalSeconds,7:0.0} s"));
                if (result.Failures.Length > 0)
                    await output.WriteLineAsync(result.Failures);
            }
        }
        if (passed + failed == 0)
        {
            await output.WriteLineAsync("no test ran");
            failed = 1;
        }
        await output.WriteLineAsync($"{passed} passed, {failed} failed");
        return failed == 0 ? Exit.Ok : Exit.Failed;
    }

    /// <summary>The pipeline's tests with units committed by Marten; says so where its package cannot be had.</summary>
    static async Task<int> RunOnMartenAsync(Workplace at, CancellationToken stop)
    {
        await using var servers = await TestServers.StartAsync(at, durable: false, stop);
        return await Programs.BecomeAsync([Path.Combine(at.Root, "tests", "Marten", "run")], servers.Variables, at.Root, stop);
    }

    /// <summary>The solution's test projects (not what they only use), the scripts of tests/Engine, tests/Sockets and tests/Messages, and the format check.</summary>
    public static IReadOnlyList<Suite> Find(string root, string solution)
    {
        if (!File.Exists(solution))
            throw Refusal.BadInput("NO_SOLUTION", $"there is no {solution}: tests run in a checkout");
        var projects = TestProject().Matches(File.ReadAllText(solution)).Select(m => Path.Combine(root, m.Groups[1].Value.Replace('\\', '/')))
            .Where(p => !p.Contains("/Bench/", StringComparison.Ordinal) && !File.ReadAllText(p).Contains("<IsTestProject>false<", StringComparison.Ordinal));
        var scripts = new[] { "Engine", "Sockets", "Messages" }.Select(folder => Path.Combine(root, "tests", folder));
        return
        [
            .. projects.Select(p => new DotnetSuite(p)),
            .. scripts.Where(folder => NodeSuite.Files(folder).Length > 0).Select(folder => new NodeSuite(folder)),
            new FormatCheck(solution),
        ];
    }

    /// <summary>A filter that is a suite's name takes that suite whole; another is part of tests' names.</summary>
    public static (IReadOnlyList<Suite> Suites, string? Filter) Choose(IReadOnlyList<Suite> all, string? filter)
    {
        var named = all.Where(s => string.Equals(s.Name, filter, StringComparison.OrdinalIgnoreCase)).ToArray();
        return named.Length > 0 ? (named, null) : (all, filter);
    }

    /// <summary>What the compiler said, where the build failed.</summary>
    static async Task<string?> BuildAsync(Workplace at, string solution, CancellationToken stop)
    {
        at.Terminal.Note("building");
        var ran = await Programs.RunAsync(["dotnet", "build", solution, "-c", "Release", "--nologo", "-v", "q", "-nodeReuse:false"], stop, folder: at.Root);
        return ran.ExitCode == 0 ? null : ran.Output + ran.Errors;
    }

    [GeneratedRegex("\"(tests[^\"]+\\.csproj)\"")]
    private static partial Regex TestProject();
}

/// <summary>`flatrender bench`: passed on to tests/Bench, with durable servers of its own.</summary>
public static class BenchCommand
{
    public static async Task<int> RunAsync(Workplace at, IReadOnlyList<string> args, CancellationToken stop)
    {
        var project = Path.Combine(at.Root, "tests", "Bench");
        if (!Directory.Exists(project))
            throw Refusal.BadInput("NO_BENCH", "there is no tests/Bench in this checkout");
        await using var servers = await TestServers.StartAsync(at, durable: true, stop);
        return await Programs.BecomeAsync(["dotnet", "run", "-c", "Release", "--project", project, "--", .. args], servers.Variables, at.Root, stop);
    }
}
