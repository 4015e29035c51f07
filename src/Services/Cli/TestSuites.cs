using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace FlatRender.Cli;

/// <summary>What a suite came to.</summary>
/// <param name="Failures">Everything about each failure, as its runner told it.</param>
public sealed record SuiteResult(int Passed, int Failed, string Failures)
{
    /// <summary>A runner that crashed, or a suite in which nothing ran.</summary>
    public static SuiteResult Broken(string why) => new(0, 1, why);
}

/// <summary>A suite that `flatrender test` runs.</summary>
public abstract record Suite(string Name)
{
    /// <param name="filter">Part of a test's name, or null for all. With a filter, a suite may come up empty.</param>
    public abstract Task<SuiteResult> RunAsync(Workplace at, IReadOnlyDictionary<string, string> variables, string? filter, CancellationToken stop);
}

/// <summary>An xunit project of the solution, built already.</summary>
public sealed record DotnetSuite(string Project) : Suite(Path.GetFileName(Path.GetDirectoryName(Project))!)
{
    public override async Task<SuiteResult> RunAsync(Workplace at, IReadOnlyDictionary<string, string> variables, string? filter, CancellationToken stop)
    {
        var results = Directory.CreateDirectory(Path.Combine(at.Home.Folder, "test-results")).FullName;
        var trx = Path.Combine(results, Name + ".trx");
        File.Delete(trx);
        string[] only = filter is null ? [] : ["--filter", $"FullyQualifiedName~{filter}"];
        var ran = await Programs.RunAsync(["dotnet", "test", Project, "-c", "Release", "--no-build", "--nologo", "--logger", $"trx;LogFileName={Name}.trx", "--results-directory", results, .. only], stop, variables, folder: at.Root);
        if (!File.Exists(trx))
            return filter is not null && ran.ExitCode == 0 ? new(0, 0, "") : SuiteResult.Broken($"the runner ended with {ran.ExitCode} and no results:\n{ran.Output}{ran.Errors}");
        return Read(XDocument.Load(trx), ran, filter);
    }

    /// <summary>The runner's own record, test by test. A skipped test has not passed.</summary>
    public static SuiteResult Read(XDocument trx, Ran ran, string? filter)
    {
        XNamespace ns = "http://microsoft.com/schemas/VisualStudio/TeamTest/2010";
        var tests = trx.Descendants(ns + "UnitTestResult").ToArray();
        var bad = tests.Where(t => (string?)t.Attribute("outcome") != "Passed").ToArray();
        if (tests.Length == 0)
            return filter is null ? SuiteResult.Broken($"no test ran:\n{ran.Output}{ran.Errors}") : new(0, 0, "");
        // A runner that crashes half way leaves a record of the tests before it.
        if (ran.ExitCode != 0 && bad.Length == 0)
            return new(tests.Length, 1, $"every test that ended passed, but the runner ended with {ran.ExitCode}:\n{ran.Output}{ran.Errors}");
        return new(tests.Length - bad.Length, bad.Length, string.Join("\n", bad.Select(t =>
            $"{(string?)t.Attribute("testName")}: {(string?)t.Attribute("outcome")}\n{t.Descendants(ns + "Message").FirstOrDefault()?.Value}\n{t.Descendants(ns + "StackTrace").FirstOrDefault()?.Value}\n{t.Descendants(ns + "StdOut").FirstOrDefault()?.Value}".TrimEnd() + "\n")));
    }
}

/// <summary>The `node --test` files of a folder.</summary>
public sealed partial record NodeSuite(string Folder) : Suite(Path.GetFileName(Folder))
{
    public override async Task<SuiteResult> RunAsync(Workplace at, IReadOnlyDictionary<string, string> variables, string? filter, CancellationToken stop)
    {
        string[] only = filter is null ? [] : ["--test-name-pattern", Regex.Escape(filter)];
        var ran = await Programs.RunAsync(["node", "--test", "--test-reporter", "tap", .. only, .. Files(Folder)], stop, variables, folder: at.Root);
        return Read(ran, filter);
    }

    public static string[] Files(string folder) =>
        Directory.Exists(folder) ? [.. Directory.GetFiles(folder, "*.test.*js", SearchOption.AllDirectories).Where(f => !f.Contains("/node_modules/", StringComparison.Ordinal)).Order(StringComparer.Ordinal)] : [];

    /// <summary>The totals at the end of TAP output. Skipped, cancelled and postponed tests have not passed.</summary>
    public static SuiteResult Read(Ran ran, string? filter)
    {
        var totals = Total().Matches(ran.Output).GroupBy(m => m.Groups[1].Value).ToDictionary(g => g.Key, g => int.Parse(g.Last().Groups[2].Value, System.Globalization.CultureInfo.InvariantCulture));
        if (!totals.TryGetValue("pass", out var passed) || !totals.TryGetValue("tests", out var tests))
            return SuiteResult.Broken($"the runner ended with {ran.ExitCode} and no totals:\n{ran.Output}{ran.Errors}");
        var failed = totals.GetValueOrDefault("fail") + totals.GetValueOrDefault("cancelled") + (filter is null ? totals.GetValueOrDefault("skipped") + totals.GetValueOrDefault("todo") : 0);
        if (filter is null && tests == 0)
            return SuiteResult.Broken($"no test ran:\n{ran.Output}{ran.Errors}");
        if (ran.ExitCode != 0 && failed == 0)
            failed = 1;
        return new(passed, failed, failed == 0 ? "" : FailuresOf(ran.Output) is { Length: > 0 } told ? told + ran.Errors : ran.Output + ran.Errors);
    }

    /// <summary>The parts of TAP output that tell of a failure, without those that tell of a success.</summary>
    static string FailuresOf(string tap) =>
        string.Join("", Subtest().Split(tap).Where(part => NotOk().IsMatch(part)).Select(part => "# Subtest: " + part.TrimEnd() + "\n"));

    [GeneratedRegex(@"^\s*# Subtest: ", RegexOptions.Multiline)]
    private static partial Regex Subtest();

    [GeneratedRegex(@"^\s*not ok ", RegexOptions.Multiline)]
    private static partial Regex NotOk();

    [GeneratedRegex(@"^# (tests|pass|fail|cancelled|skipped|todo) (\d+)\r?$", RegexOptions.Multiline)]
    private static partial Regex Total();
}

/// <summary>The house style, as `dotnet format` sees it: one check.</summary>
public sealed record FormatCheck(string Solution) : Suite("Format")
{
    public override async Task<SuiteResult> RunAsync(Workplace at, IReadOnlyDictionary<string, string> variables, string? filter, CancellationToken stop)
    {
        if (filter is not null)
            return new(0, 0, "");
        var ran = await Programs.RunAsync(["dotnet", "format", Solution, "--verify-no-changes", "--no-restore"], stop, folder: at.Root);
        return ran.ExitCode == 0 ? new(1, 0, "") : new(0, 1, ran.Output + ran.Errors);
    }
}
