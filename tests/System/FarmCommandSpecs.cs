using FlatRender.Cli;
using FlatRender.Contracts;

namespace FlatRender.SystemTests;

/// <summary>What a person does to a farm from the shell, and what is said when it cannot be done.</summary>
[Collection(OneSlotTests.Name)]
public sealed class FarmCommandSpecs(OneSlot farm)
{
    Installation At => farm.At;

    [Fact]
    public async Task A_render_that_is_watched_is_told_of_until_its_end()
    {
        using var api = At.Api();
        var job = await OneSlot.SubmitAsync(api, frames: 30, tags: ["watched"]);
        using var watching = At.Start(["jobs", $"{job}", "--watch"]);
        using var node = farm.StartNode("watched", slots: 1);

        var said = await watching.EndAsync();

        said.ExitCode.ShouldBe(0, $"{said}");
        said.Notes.TrimEnd().Split('\n')[^1].ShouldMatch("^Done +30/30 frames");
        said.Output.ShouldMatch(@"(?s)state +Done\n.*frames +30/30 \(100 %\)\n.*render\.job\.queued\.v1.*render\.job\.done\.v1");
        (await farm.SaysAsync("jobs", $"{job}", "--watch")).ShouldBe(said.Output, "what is over is told at once");
        await farm.RefusesAsync(2, "--watch: wants a job", "jobs", "--watch");
        await farm.RefusesAsync(2, "seven: is no job id", "jobs", "seven", "--watch");
        await farm.RefusesAsync(1, "NOT_FOUND: ", "jobs", $"{Ids.New()}", "--watch");
        await farm.RefusesAsync(1, "NOT_RETRYABLE: The render is Done", "retry", $"{job}");
        await farm.RefusesAsync(1, "NOT_CANCELLABLE: The render is Done", "cancel", $"{job}");
        await LeftAsync(node);
    }

    [Fact]
    public async Task A_node_is_drained_and_leaves_and_nothing_more_can_be_done_to_it()
    {
        using var api = At.Api();
        using var node = farm.StartNode("drained", slots: 1);
        await Wait.UntilAsync("the node is there", async () => (await api.FarmAsync(CancellationToken.None)).Nodes.Any(n => n is { Name: "drained", State: "ready" }));

        await farm.SaysInTheEndAsync(@"(?m)^\S+ +drained +(draining|left) +0/1 .* (new disks|it left .*)$", "nodes", "drain", "drained", "--reason", "new disks");

        (await node.EndAsync()).ExitCode.ShouldBe(0);
        await farm.SaysInTheEndAsync(@"(?m)^\S+ +drained +left ", "nodes");
        await farm.RefusesAsync(1, "NODE_STATE: The node is left: only one that works can be drained", "nodes", "drain", "drained");
        await farm.RefusesAsync(1, "NODE_STATE: The node is left: only one in quarantine can be released", "nodes", "release", "drained");
        await farm.RefusesAsync(2, "nobody: is no node", "nodes", "drain", "nobody");
        await farm.RefusesAsync(2, "paint: is nothing that can be done to a node", "nodes", "paint", "drained");
        await farm.RefusesAsync(2, "quarantine: wants a NODE", "nodes", "quarantine");
    }

    [Fact]
    public async Task A_node_in_quarantine_is_given_nothing_until_it_is_released()
    {
        using var api = At.Api();
        (await farm.SaysAsync("nodes", "quarantine", "local", "--reason", "it hums")).ShouldMatch(@"(?m)^\S+ +local +quarantined +.* it hums$");
        var job = await OneSlot.SubmitAsync(api, frames: 6);
        await Wait.UntilAsync("the render is planned", async () => (await At.Book.WorkAsync(job)).Count > 0);
        await farm.SaysInTheEndAsync("^NO_NODE: No node is there[.]", "why", $"{job}");

        (await farm.SaysAsync("nodes", "release", "local", "--reason", "it was the fan")).ShouldMatch(@"(?m)^\S+ +local +(ready|lost) +");

        await Wait.UntilAsync("the render is done", async () => (await api.RenderAsync(job, CancellationToken.None)).Step == Step.Done);
    }

    [Fact]
    public async Task A_render_that_crashed_every_engine_is_retried_once_they_are_mended()
    {
        using var api = At.Api();
        var mended = Path.Combine(At.Desk, "mended");
        using var node = farm.StartNode("clumsy", slots: 1, "--engine", $"skottie={At.Write("clumsy.mjs", Clumsy(mended))}");
        var job = await OneSlot.SubmitAsync(api, frames: 6, tags: ["clumsy"]);
        await Wait.UntilAsync("the render has failed", async () => (await api.RenderAsync(job, CancellationToken.None)).Step == Step.Failed);
        (await farm.SaysAsync("jobs", $"{job}")).ShouldMatch(@"(?s)state +Failed\n.*error +AE_REPEATED_CRASH\n.*render\.job\.failed\.v1 +3 attempts failed on 1 node, ");
        (await farm.SaysAsync("nodes")).ShouldMatch(@"(?m)^\S+ +clumsy +\w+ +0/1 +3 ");
        At.Write("mended", "");

        (await farm.SaysAsync("retry", $"{job}", "--reason", "the engines are mended")).ShouldMatch($"^{job}  (Queued|Rendering|Validating|Done) ");

        (await farm.SaysAsync("jobs", $"{job}", "--watch")).ShouldMatch(@"(?s)state +Done\n.*render\.job\.failed\.v1.*render\.job\.requeued\.v1 +the engines are mended\n.*render\.job\.done\.v1");
        await LeftAsync(node);
    }

    [Fact]
    public async Task A_limit_that_is_none_is_refused_in_words()
    {
        await farm.RefusesAsync(2, "write: flatrender limits", "limits", "template", "heavy", "1");
        await farm.RefusesAsync(2, "write: flatrender limits", "limits", "template", $"{Ids.New()}", "many");
        await farm.RefusesAsync(2, "write: flatrender limits", "limits", "node", $"{Ids.New()}", "1");
        await farm.RefusesAsync(1, "BAD_LIMIT: slots is 0 or more", "limits", "template", $"{Ids.New()}", "-1");
        (await farm.SaysAsync("limits")).ShouldBe("no limits\n");
    }

    static async Task LeftAsync(Running node)
    {
        Signal.Send(node.Pid, Signal.Terminate);
        (await node.EndAsync()).ExitCode.ShouldBe(0);
    }

    /// <summary>The real engine, which falls over whenever it is to draw until a file is there.</summary>
    static string Clumsy(string mended) => $$"""
        import { spawn } from 'node:child_process'
        import { existsSync } from 'node:fs'
        import { createInterface } from 'node:readline'
        const real = spawn('node', ['{{Checkout.Engine}}'], { stdio: ['pipe', 'pipe', 'inherit'] })
        real.on('exit', code => process.exit(code ?? 1))
        real.stdout.pipe(process.stdout)
        createInterface({ input: process.stdin }).on('line', line => {
          if (JSON.parse(line).op === 'render' && !existsSync('{{mended}}')) process.abort()
          real.stdin.write(line + '\n')
        }).on('close', () => real.stdin.end())
        """;
}
