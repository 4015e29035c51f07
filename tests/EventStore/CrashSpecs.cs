using System.Diagnostics;
using FlatRender.Contracts;
using FlatRender.Sagas;
using FlatRender.TestKit;
using Xunit.Abstractions;

namespace FlatRender.EventStore.Tests;

/// <summary>Processes killed with SIGKILL between any two of: receive, load, write, commit, publish, confirm, delete.</summary>
[Collection(House.OneBroker)]
public sealed class CrashSpecs(ITestOutputHelper output) : IAsyncLifetime
{
    // In the order in which a message's work passes them.
    static readonly string[] Points =
    [
        "receive", "load stop", "append start", "append stop", "acknowledge",
        "take agenda stop", "ask confirmed", "delete agenda stop", "publish facts", "facts confirmed", "save position stop",
    ];

    /// <summary>How a process ends that was sent SIGKILL.</summary>
    const int Killed = 128 + 9;

    TestDatabase _database = null!;

    static string Rabbit => Environment.GetEnvironmentVariable("FLATRENDER_TEST_RABBITMQ")!;

    public async Task InitializeAsync() => _database = await TestDatabase.CreateAsync();
    public async Task DisposeAsync() => await _database.DisposeAsync();

    [Theory]
    [InlineData("memory")]
    [InlineData("rabbit")]
    public async Task A_process_killed_at_any_point_loses_no_fact_sticks_no_render_and_does_nothing_twice(string broker)
    {
        var points = broker == "memory" ? Points : Points.Except(["load stop", "append start", "take agenda stop", "publish facts"]).ToArray();
        broker = broker == "memory" ? broker : Rabbit;
        var random = new Random(7);
        var ids = new List<Guid>();
        foreach (var point in points)
        {
            ids.AddRange(Enumerable.Range(0, 10).Select(_ => Ids.New()));
            var (exit, said) = await RunAsync("pipeline", broker, $"{point}:{random.Next(1, 6)}", ids);
            exit.ShouldBe(Killed, $"was to be killed at {point}");
            ids.AddRange(said.Split('\n').Where(line => Guid.TryParse(line, out _)).Select(Guid.Parse));
        }

        (await RunAsync("pipeline", broker, "-", ids)).Exit.ShouldBe(0, "all renders are done after the last start");
        await using var process = new Process(_database);
        foreach (var id in ids)
        {
            var facts = await process.Streams.ReadAsync(id, CancellationToken.None);
            facts.Select(f => f.Version).ShouldBe(Enumerable.Range(1, facts.Count).Select(v => (long)v));
            // Asking again is a fact; being queued, accepted and done happens once.
            foreach (var once in new[] { "render.job.queued.v1", "render.job.done.v1" }) facts.Count(f => f.Type == once).ShouldBe(1, once);
            (await process.Streams.LoadAsync<RenderJob>(id, CancellationToken.None)).ShouldBe(await process.Streams.FoldAsync<RenderJob>(id, null, CancellationToken.None));
        }
        output.WriteLine($"{points.Length} kills, {ids.Count} renders: all done, none twice");
    }

    [Fact]
    public async Task The_usual_way_of_publishing_after_the_commit_loses_what_this_store_keeps()
    {
        var lost = new Dictionary<string, int>();
        foreach (var role in new[] { "stock", "pipeline" })
        {
            var ids = Enumerable.Range(0, 30).Select(_ => Ids.New()).ToArray();
            (await RunAsync(role, Rabbit, "append stop:1", ids)).Exit.ShouldBe(Killed, $"{role} was to be killed after its first append");
            await RunAsync(role, Rabbit, "-", ids);
            await using var process = new Process(_database);
            lost[role] = ids.Length - (await process.Streams.MemoriesAsync<RenderJob>([Step.Done], CancellationToken.None)).Count(j => ids.Contains(j.Id));
        }
        output.WriteLine($"killed between commit and publish: {lost["stock"]} of 30 renders stuck for good when published after the commit, {lost["pipeline"]} here");
        lost["pipeline"].ShouldBe(0);
        lost["stock"].ShouldBeGreaterThan(0);
    }

    async Task<(int Exit, string Output)> RunAsync(string role, string broker, string death, IEnumerable<Guid> ids)
    {
        using var child = Start(_database, role, broker, death, ids);
        var text = await child.StandardOutput.ReadToEndAsync();
        await child.WaitForExitAsync();
        return (child.ExitCode, text);
    }

    internal static System.Diagnostics.Process Start(TestDatabase database, string role, string broker, string death, IEnumerable<Guid> ids) =>
        System.Diagnostics.Process.Start(new ProcessStartInfo("dotnet", [typeof(CrashSpecs).Assembly.Location, TestDatabase.ConnectionString, database.Schema, broker, role, death, .. ids.Select(i => i.ToString())])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
}
