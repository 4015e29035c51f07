using System.Text;
using System.Text.RegularExpressions;
using FlatRender.Contracts;
using FlatRender.TestKit;
using MassTransit;

namespace FlatRender.Pipeline.Tests;

/// <summary>The page about the pipeline is written by the pipeline: every message is tried in every state, and the page must say what came of it.</summary>
public sealed partial class PipelinePageSpecs(DatabaseOfThisClass own) : IClassFixture<DatabaseOfThisClass>
{
    [Fact]
    public async Task The_diagram_and_the_table_on_the_page_are_what_the_machine_does()
    {
        var tried = new List<Trial>();
        foreach (var state in Lives.States)
            foreach (var message in Lives.Messages)
                tried.Add(await TryAsync(state, message));

        var path = Path.Combine(Repository.Root, "src", "Sagas", "README.md");
        var page = await File.ReadAllTextAsync(path);
        var expected = Generated().Replace(page, $"<!-- generated -->\n{Diagram(tried)}\n{Table(tried)}<!-- /generated -->");
        if (Environment.GetEnvironmentVariable("FLATRENDER_UPDATE") == "1") await File.WriteAllTextAsync(path, expected);
        else page.ShouldBe(expected, "src/Sagas/README.md is out of date: run the tests with FLATRENDER_UPDATE=1 and commit it.");
    }

    sealed record Trial(string From, string Message, string To, IReadOnlyList<string> Facts, IReadOnlyList<string> Agenda, bool Refused);

    async Task<Trial> TryAsync(string state, string message)
    {
        await using var it = new RenderScenario(own.Database);
        await it.Given(Lives.UpTo(state, it.Id));
        var order = state == "" ? 1 : (await it.JobAsync()).Order;
        try
        {
            await it.When(Lives.Message(message, it.Id, order, it.Clock.GetUtcNow()));
        }
        catch (Exception e) when (e is NotAcceptedStateMachineException or SagaException)
        {
            return new(state, message, state, [], [], Refused: true);
        }

        var to = await it.StateAsync();
        return new(state, message, to == "Validating" && (await it.JobAsync()).Assembling ? "Assembling" : to, it.Recorded, it.Agenda, Refused: false);
    }

    // Validating has two halves; a film that is being assembled is still Validating.
    static string Diagram(List<Trial> tried)
    {
        var text = new StringBuilder("```mermaid\nstateDiagram-v2\n");
        foreach (var moves in tried.Where(t => t.Facts.Count > 0).Select(t => (From: State(t.From), t.Message, To: State(t.To))).Distinct().GroupBy(m => (m.From, m.To)))
            text.Append($"    {(moves.Key.From == "" ? "[*]" : moves.Key.From)} --> {moves.Key.To}: {string.Join(", ", moves.Select(m => m.Message).Distinct())}\n");
        foreach (var end in new[] { Step.Done, Step.Failed, Step.Cancelled }) text.Append($"    {end} --> [*]\n");
        return text.Append("```\n").ToString();
    }

    static string Table(List<Trial> tried)
    {
        var text = new StringBuilder("| In state | On | Records | Then asks / reminds | Goes to |\n|---|---|---|---|---|\n");
        foreach (var t in tried.Where(t => t.Facts.Count > 0))
            text.Append($"| {(t.From == "" ? "-" : t.From)} | {t.Message} | {string.Join(", ", t.Facts)} | {string.Join(", ", t.Agenda)} | {t.To} |\n");
        text.Append("\nIgnored, because a queue brings it late or twice:\n\n| In state | Message |\n|---|---|\n");
        foreach (var state in Lives.States)
            if (tried.Where(t => t.From == state && !t.Refused && t.Facts.Count == 0).Select(t => t.Message).ToArray() is { Length: > 0 } ignored)
                text.Append($"| {state} | {string.Join(", ", ignored)} |\n");
        text.Append("\nRefused as a fault, because it cannot be:\n\n| In state | Message (of the present order) |\n|---|---|\n");
        foreach (var state in Lives.States)
            if (tried.Where(t => t.From == state && t.Refused).Select(t => t.Message).ToArray() is { Length: > 0 } refused)
                text.Append($"| {(state == "" ? "-" : state)} | {string.Join(", ", refused)} |\n");
        return text.ToString();
    }

    static string State(string life) => life == "Assembling" ? Step.Validating : life;

    [GeneratedRegex("<!-- generated -->.*<!-- /generated -->", RegexOptions.Singleline)]
    private static partial Regex Generated();
}
