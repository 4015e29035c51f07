using FlatRender.Cli;
using FlatRender.Contracts;

namespace FlatRender.SystemTests;

/// <summary>Parts are killed in the middle of a render. Its engines are frozen first, so that the middle does not pass by.</summary>
[Collection(VictimTests.Name)]
public sealed class AccidentSpecs(Victim victim) : IAsyncLifetime
{
    Installation At => victim.At;

    public Task InitializeAsync() => At.UpAgainAsync();

    public Task DisposeAsync() => Task.CompletedTask;

    [Fact]
    public async Task A_render_whose_host_is_killed_goes_on_at_the_next_up_and_is_done_once()
    {
        using var render = await FrozenAsync("host.mp4");
        var engines = At.Engines();

        Signal.Send(At.Note.Host!.Pid, Signal.Kill);

        var said = await render.Command.EndAsync();
        said.ExitCode.ShouldBe(1, $"{said}");
        said.Notes.ShouldContain("the host has ended");
        await Wait.UntilAsync("a host's end is the end of its node and engines", () => !At.Engines().Intersect(engines).Any());
        File.Exists(Path.Combine(At.Desk, "host.mp4")).ShouldBeFalse();
        await At.UpAgainAsync();
        await DoneOnceAsync(render.Job);
    }

    [Fact]
    public async Task A_render_whose_node_is_killed_goes_on_with_another()
    {
        using var render = await FrozenAsync("node.mp4");
        var engines = At.Engines();

        Signal.Send(At.Note.Node!.Pid, Signal.Kill);

        var said = await render.Command.EndAsync();
        said.ExitCode.ShouldBe(1, $"{said}");
        said.Notes.ShouldContain("the render node has ended");
        await Wait.UntilAsync("a node's end is the end of its engines", () => !At.Engines().Intersect(engines).Any());
        await At.UpAgainAsync();
        await DoneOnceAsync(render.Job);
    }

    [Fact]
    public async Task A_render_whose_engines_are_killed_between_two_frames_is_done_without_a_word()
    {
        var struck = false;
        // Engines that were frozen between two pieces are missed by nobody: those of the next render, then.
        for (var n = 1; !struck && n <= 10; n++)
        {
            using var render = await FrozenAsync($"engine-{n}.mp4");

            At.SignalEngines(Signal.Kill);

            var said = await render.Command.EndAsync();
            said.ExitCode.ShouldBe(0, $"{said}");
            await DoneOnceAsync(render.Job);
            struck = (await At.Book.WorkAsync(render.Job)).Any(p => p.Failures > 0);
        }
        struck.ShouldBeTrue("an engine that worked was killed");
    }

    [Fact]
    public async Task A_render_whose_database_is_killed_goes_on_at_the_next_up()
    {
        using var render = await FrozenAsync("database.mp4");

        Signal.Send(At.Note.Postgres!.Pid, Signal.Kill);

        var said = await render.Command.EndAsync();
        said.ExitCode.ShouldBe(1, $"{said}");
        said.Notes.ShouldContain("the database has ended", Case.Sensitive, $"{said}");
        await At.UpAgainAsync();
        await DoneOnceAsync(render.Job);
    }

    async Task<Frozen> FrozenAsync(string film)
    {
        using var api = At.Api();
        return await Frozen.CatchAsync(At, api, At.Book, film, () => At.Start(["render", Checkout.TitleCard, "-o", film, .. Victim.Render]));
    }

    async Task DoneOnceAsync(JobId job)
    {
        await Wait.UntilAsync("the render is over", async () => await At.Book.StepAsync(job) is "render.job.done.v1" or "render.job.failed.v1" or "render.job.cancelled.v1");
        var facts = await At.Book.FactsAsync(job);
        facts.Count(f => f.Type == "render.job.done.v1").ShouldBe(1, string.Join(", ", facts.Select(f => f.Type)));
        facts[^1].Type.ShouldBe("render.job.done.v1");
        using var api = At.Api();
        RenderView view = null!;
        await Wait.UntilAsync("the render is seen to be done", async () => (view = await api.RenderAsync(job, CancellationToken.None)).Step == Step.Done);
        var path = Path.Combine(At.Desk, $"{job}.mp4");
        await using (var file = File.Create(path))
            await api.FilmAsync(job, file, CancellationToken.None);
        var film = new Film(path, view, "");
        (await film.FrameHashesAsync()).ShouldBe(await victim.Undisturbed.FrameHashesAsync());
        // What was drawn twice was drawn the same.
        At.Marks(job).ShouldBe(At.Marks(victim.Undisturbed.JobId));
        (await film.ProbeAsync()).ShouldBe(await victim.Undisturbed.ProbeAsync());
    }
}
