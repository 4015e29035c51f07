using System.Text.Json;
using FlatRender.Bench;
using FlatRender.Contracts;
using FlatRender.TestKit;

namespace FlatRender.SystemTests;

/// <summary>Facts are for whoever wants to know: a program of somebody else's, in another language, that knows the published documents only.</summary>
[Collection(ClusterTests.Name)]
public sealed class SubscriberSpecs(Clustered cluster) : IAsyncLifetime
{
    public Task InitializeAsync() => cluster.UpAsync();

    public Task DisposeAsync() => Task.CompletedTask;

    [Fact]
    public async Task Another_languages_subscriber_hears_each_fact_of_a_render_in_order_and_as_the_documents_say_though_its_connection_breaks()
    {
        await using var cable = new Cable(cluster.Note.Nodes[0].Url);
        await using var subscriber = await Subscriber.StartAsync(Checkout.Root, cable.Address, "another-language", "render.#");
        using var render = await cluster.FrozenAsync("heard.mp4", "--size", "160x90", "--fps", "30");
        cable.Cut();
        cluster.At.SignalEngines(Signal.Continue);
        (await render.Command.EndAsync()).ExitCode.ShouldBe(0);

        var facts = (await cluster.Book.FactsAsync()).Where(f => f.Fact is IAboutRender about && about.JobId == render.Job && f.Type.StartsWith("render.", StringComparison.Ordinal)).ToArray();
        await Wait.UntilAsync("all of it is heard", () => facts.All(f => subscriber.Heard.Any(h => (h.Stream, h.Version) == (f.Stream, f.Version))));

        subscriber.Complaints.ShouldBeEmpty();
        var heard = subscriber.Heard.DistinctBy(h => (h.Stream, h.Version)).ToArray();
        foreach (var stream in facts.GroupBy(f => f.Stream))
        {
            var ours = heard.Where(h => h.Stream == stream.Key).ToArray();
            ours.Select(h => h.Version).ShouldBe(stream.Select(f => f.Version), $"in the order of stream {stream.Key}");
            ours.Select(h => h.Key).ShouldBe(stream.Select(f => f.Type));
            ours.Select(h => Said(Vocabulary.All.Read(h.Key, h.Whole.GetProperty("body").GetRawText()))).ShouldBe(stream.Select(f => Said(f.Fact)));
        }
        facts.Select(f => f.Type).ShouldContain("render.chunk.completed.v1");
        facts.Select(f => f.Type).ShouldContain("render.job.done.v1");

        static string Said(object fact) => JsonSerializer.Serialize(fact, fact.GetType(), Wire.Json);
    }
}
