using System.Xml.Linq;

namespace FlatRender.Cli.Tests;

/// <summary>`flatrender test` believes a runner only when it says, and shows, that tests ran.</summary>
public class SuiteResultSpecs
{
    static Ran Said(int exitCode, string output) => new(exitCode, output, "");

    static string Tap(int pass, int fail, int skipped = 0) => $"""
        # Subtest: a
        ok 1 - a
        # Subtest: b
        not ok 2 - b
          error: 'no glyph'
        1..2
        # tests {pass + fail + skipped}
        # pass {pass}
        # fail {fail}
        # cancelled 0
        # skipped {skipped}
        # todo 0
        """;

    static XDocument Trx(params string[] outcomes) => new(new XElement((XNamespace)"http://microsoft.com/schemas/VisualStudio/TeamTest/2010" + "TestRun",
        outcomes.Select(o => new XElement((XNamespace)"http://microsoft.com/schemas/VisualStudio/TeamTest/2010" + "UnitTestResult", new XAttribute("testName", "A_thing"), new XAttribute("outcome", o)))));

    [Fact]
    public void Scripts_that_passed_are_counted() =>
        NodeSuite.Read(Said(0, Tap(2, 0)), null).ShouldBe(new SuiteResult(2, 0, ""));

    [Fact]
    public void Only_failures_of_scripts_are_told()
    {
        var result = NodeSuite.Read(Said(1, Tap(1, 1)), null);
        (result.Passed, result.Failed).ShouldBe((1, 1));
        result.Failures.ShouldContain("no glyph");
        result.Failures.ShouldNotContain("ok 1 - a");
    }

    [Theory]
    [InlineData(0, 0, 0, 0)]
    [InlineData(0, 2, 0, 1)]
    [InlineData(1, 2, 0, 0)]
    public void Scripts_that_are_empty_skipped_or_crash_have_failed(int exitCode, int pass, int fail, int skipped) =>
        NodeSuite.Read(Said(exitCode, Tap(pass, fail, skipped)), null).Failed.ShouldBe(1);

    [Fact]
    public void A_runner_that_says_nothing_has_failed() =>
        NodeSuite.Read(Said(0, "Segmentation fault"), null).Failed.ShouldBe(1);

    [Theory]
    [InlineData(0, new[] { "Passed", "Passed" }, 2, 0)]
    [InlineData(1, new[] { "Passed", "Failed" }, 1, 1)]
    [InlineData(0, new[] { "Passed", "NotExecuted" }, 1, 1)]
    [InlineData(1, new[] { "Passed" }, 1, 1)]
    [InlineData(0, new string[0], 0, 1)]
    public void A_record_of_tests_is_read_with_its_runners_word(int exitCode, string[] outcomes, int passed, int failed)
    {
        var result = DotnetSuite.Read(Trx(outcomes), Said(exitCode, ""), null);
        (result.Passed, result.Failed).ShouldBe((passed, failed));
    }

    [Fact]
    public void A_filter_may_leave_a_suite_empty() =>
        DotnetSuite.Read(Trx(), Said(0, ""), "Nothing_here").Failed.ShouldBe(0);

    [Fact]
    public void A_filter_that_names_a_suite_takes_it_whole()
    {
        Suite[] all = [new DotnetSuite("/x/tests/Cli/FlatRender.Cli.Tests.csproj"), new NodeSuite("/x/tests/Engine")];
        TestCommand.Choose(all, "cli").ShouldSatisfyAllConditions(c => c.Suites.Single().Name.ShouldBe("Cli"), c => c.Filter.ShouldBeNull());
        TestCommand.Choose(all, "A_film").ShouldSatisfyAllConditions(c => c.Suites.Count.ShouldBe(2), c => c.Filter.ShouldBe("A_film"));
    }

    [Fact]
    public void The_solutions_tests_are_its_suites()
    {
        using var desk = new Desk();
        var solution = desk.Write("FlatRender.sln", """
            Project("{FAE0}") = "FlatRender.Cli", "src\Services\Cli\FlatRender.Cli.csproj", "{1}"
            Project("{FAE0}") = "FlatRender.Cli.Tests", "tests\Cli\FlatRender.Cli.Tests.csproj", "{2}"
            Project("{FAE0}") = "FlatRender.Bench", "tests\Bench\FlatRender.Bench.csproj", "{3}"
            Project("{FAE0}") = "FlatRender.TestKit", "tests\TestKit\FlatRender.TestKit.csproj", "{4}"
            Project("{FAE0}") = "FlatRender.StandIn", "tests\Cli\StandIn\FlatRender.StandIn.csproj", "{5}"
            """);
        desk.Write("tests/Engine/film.test.mjs", "");
        desk.Write("tests/Cli/FlatRender.Cli.Tests.csproj", "<Project/>");
        desk.Write("tests/TestKit/FlatRender.TestKit.csproj", "<Project><IsTestProject>false</IsTestProject></Project>");
        desk.Write("tests/Cli/StandIn/FlatRender.StandIn.csproj", "<Project><IsTestProject>false</IsTestProject></Project>");
        TestCommand.Find(desk.Folder, solution).Select(s => s.Name).ShouldBe(["Cli", "Engine", "Format"]);
    }
}
