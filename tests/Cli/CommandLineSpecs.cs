namespace FlatRender.Cli.Tests;

public class CommandLineSpecs
{
    static readonly Option[] s_options = [new("set", "KEY=VALUE", Repeats: true), new("output", "FILE", 'o'), new("json")];

    [Fact]
    public void Options_and_words_may_be_mixed()
    {
        var line = CommandLine.Parse(["--json", "a.json", "--set", "x=1", "--set=y=2=3", "-o", "f.mp4"], s_options);
        line.Problems.ShouldBeEmpty();
        line.Words.ShouldBe(["a.json"]);
        line.Values("set").ShouldBe(["x=1", "y=2=3"]);
        line.Value("output").ShouldBe("f.mp4");
        line.Has("json").ShouldBeTrue();
    }

    [Fact]
    public void What_follows_two_dashes_is_words() =>
        CommandLine.Parse(["--", "--json"], s_options).Words.ShouldBe(["--json"]);

    [Fact]
    public void Every_problem_is_kept() =>
        CommandLine.Parse(["--sett", "x=1", "--json=yes", "-o", "a", "-o", "b", "--output"], s_options).Problems.Select(p => $"{p.Field} {p.Code}")
            .ShouldBe(["--sett UNKNOWN_OPTION", "--json BAD_OPTION", "--output BAD_OPTION", "--output BAD_OPTION"]);

    [Theory]
    [InlineData("0"), InlineData("65"), InlineData("two"), InlineData("1.5"), InlineData("")]
    public void A_number_out_of_bounds_is_a_problem(string text)
    {
        var line = CommandLine.Parse(["--slots", text], new Option("slots", "N"));
        line.Number("slots", 1, 64, 2);
        line.Problems.Count.ShouldBe(1);
    }

    [Fact]
    public async Task An_unknown_command_says_so_and_ends_with_2()
    {
        using var desk = new Desk();
        (await desk.RunAsync(["rendr"])).ShouldBe(2);
        desk.Notes.ShouldContain("there is no command 'rendr'");
    }

    [Fact]
    public async Task Each_command_refuses_an_unknown_option()
    {
        foreach (var command in new[] { "render", "up", "down", "status", "doctor", "jobs", "cancel", "retry", "test" })
        {
            using var desk = new Desk();
            (await desk.RunAsync([command, "--no-such-thing"])).ShouldBe(2, command);
            desk.Notes.ShouldContain("--no-such-thing", customMessage: command);
        }
    }
}
