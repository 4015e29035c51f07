using FlatRender.Contracts;
using FlatRender.Sagas;

namespace FlatRender.SystemTests;

/// <summary>What the tables hold of a render, and what a person is told of it.</summary>
[Collection(FarmTests.Name)]
public sealed class HistorySpecs(Farm farm)
{
    static readonly string[] s_plain = ["render.job.queued.v1", "render.job.rendering.v1", "render.job.validating.v1", "render.job.frames_accepted.v1", "render.job.done.v1"];

    /// <summary>What may follow on what, as the table of the design says it.</summary>
    static readonly Dictionary<string, string[]> s_legal = new()
    {
        [""] = ["queued"],
        ["queued"] = ["rendering", "requeued", "failed", "cancelled"],
        ["requeued"] = ["rendering", "requeued", "failed", "cancelled"],
        ["rendering"] = ["rendering", "validating", "failed", "cancelled"],
        ["validating"] = ["validating", "frames_accepted", "repair", "failed", "cancelled"],
        ["repair"] = ["repair", "validating", "failed", "cancelled"],
        ["frames_accepted"] = ["frames_accepted", "repair", "done", "failed", "cancelled"],
        ["failed"] = ["requeued"],
        ["done"] = [],
        ["cancelled"] = [],
    };

    [Fact]
    public async Task A_render_is_told_with_its_state_and_its_timeline()
    {
        var film = await farm.OnceAsync(farm.At.Write("history.json", SmallLottie.Of()));
        (await farm.At.Book.FactsAsync(film.JobId)).Select(f => f.Type).ShouldBe(s_plain);
        var said = await farm.At.RunAsync("jobs", $"{film.JobId}");
        said.ExitCode.ShouldBe(0, $"{said}");
        var lines = said.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        lines.ShouldContain(l => l.StartsWith("state", StringComparison.Ordinal) && l.EndsWith("Done", StringComparison.Ordinal));
        lines.TakeLast(s_plain.Length).Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries)).Select(w => (w[0], w[3])).ShouldBe(s_plain.Select((type, i) => ($"{i + 1}", type)));
    }

    [Fact]
    public async Task Every_history_is_legal_and_every_memory_is_its_fold()
    {
        await farm.OnceAsync(farm.At.Write("history.json", SmallLottie.Of()));
        var histories = (await farm.At.Book.FactsAsync()).Where(f => f.Type.StartsWith("render.job.", StringComparison.Ordinal)).GroupBy(f => f.Stream).ToArray();
        histories.ShouldNotBeEmpty();
        foreach (var history in histories)
        {
            history.Select(f => f.Version).ShouldBe(Enumerable.Range(1, history.Count()).Select(v => (long)v));
            var last = "";
            foreach (var step in history.Select(f => f.Type.Split('.')[2]).Where(s => s is not ("held" or "released")))
            {
                s_legal[last].ShouldContain(step, $"after {last} in {history.Key}");
                last = step;
            }
            var fold = history.Aggregate(RenderJob.Unborn(history.Key), (memory, f) => memory.Apply(f.Fact));
            (await farm.At.Book.MemoryAsync(history.Key)).ShouldBe(fold);
        }
    }

    [Fact]
    public async Task The_shell_replays_exports_and_verifies_a_render_and_rebuilds_what_is_shown_of_it()
    {
        var film = await farm.OnceAsync(farm.At.Write("history.json", SmallLottie.Of()));
        var now = await SaysAsync("audit", "replay", $"{film.JobId}");
        now.ShouldContain("\"state\": \"Done\"");
        s_plain.ShouldAllBe(type => now.Contains(type));
        var first = await SaysAsync("audit", "replay", $"{film.JobId}", "--at", "1");
        first.ShouldContain("\"state\": \"Queued\"");
        first.ShouldNotContain("render.job.rendering.v1");

        var exported = (await SaysAsync("audit", "export", $"{film.JobId}")).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => System.Text.Json.JsonDocument.Parse(line).RootElement).ToArray();
        exported.Select(e => e.GetProperty("type").GetString()).ShouldBe(s_plain);
        exported.Select(e => e.GetProperty("stream_id").GetGuid()).Distinct().ShouldHaveSingleItem().ToString().ShouldBe($"{film.JobId}");
        (await SaysAsync("audit", "export", "--all")).Split('\n', StringSplitOptions.RemoveEmptyEntries).Length.ShouldBeGreaterThanOrEqualTo(exported.Length);

        (await SaysAsync("audit", "verify")).ShouldContain(" 0 findings");
        (await SaysAsync("audit", "verify", "--since", $"{exported[0].GetProperty("seq").GetInt64()}")).ShouldContain(" 0 findings");
        (await SaysAsync("projections", "rebuild", "job_view")).ShouldContain("job_view is rebuilt");

        async Task<string> SaysAsync(params string[] words)
        {
            var said = await farm.At.RunAsync(words);
            said.ExitCode.ShouldBe(0, $"{string.Join(' ', words)}: {said}");
            return said.Output;
        }
    }

    [Fact]
    public async Task A_job_that_does_not_exist_is_told_so()
    {
        var said = await farm.At.RunAsync("jobs", $"{Ids.New()}");
        said.ExitCode.ShouldBe(1, $"{said}");
        said.Notes.ShouldContain("error: ");
        said.Notes.ShouldNotContain("   at ");
    }
}
