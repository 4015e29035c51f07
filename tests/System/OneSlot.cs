using System.Net.Http.Json;
using System.Text.Json;
using System.Text.RegularExpressions;
using FlatRender.Cli;
using FlatRender.Contracts;

namespace FlatRender.SystemTests;

/// <summary>A farm of one slot, so that there is always somebody who waits.</summary>
public sealed class OneSlot : IAsyncLifetime
{
    static readonly Dictionary<string, string> s_owner = [];

    public Installation At { get; } = new();

    public Task InitializeAsync() => At.UpAsync("--slots", "1");

    public Task DisposeAsync() => At.DisposeAsync().AsTask();

    public Task<string> SaysAsync(params string[] words) => SaysAsync(s_owner, words);

    /// <param name="caller">Who calls, as the command's environment says it.</param>
    public async Task<string> SaysAsync(IReadOnlyDictionary<string, string> caller, params string[] words)
    {
        using var command = At.Start(words, caller);
        var said = await command.EndAsync();
        said.ExitCode.ShouldBe(0, $"{string.Join(' ', words)}: {said}");
        return said.Output;
    }

    /// <summary>Repeats a command until it is taken and says this: a node that was not heard of for seconds, as happens on a busy machine, is given up for lost until it is heard again.</summary>
    /// <param name="pattern">A regular expression.</param>
    /// <returns>What it said.</returns>
    public Task<string> SaysInTheEndAsync(string pattern, params string[] words) => SaysInTheEndAsync(s_owner, pattern, words);

    public async Task<string> SaysInTheEndAsync(IReadOnlyDictionary<string, string> caller, string pattern, params string[] words)
    {
        Said? last = null;
        try
        {
            await Wait.UntilAsync(pattern, async () =>
            {
                using var command = At.Start(words, caller);
                last = await command.EndAsync();
                return last.ExitCode == 0 && Regex.IsMatch(last.Output, pattern);
            });
        }
        catch (TimeoutException e)
        {
            throw new TimeoutException($"{e.Message}\n{string.Join(' ', words)}: {last}");
        }
        return last!.Output;
    }

    /// <summary>A command that is refused in words, and says nothing else.</summary>
    public async Task RefusesAsync(int exitCode, string sentence, params string[] words)
    {
        using var command = At.Start(words, s_owner);
        var said = await command.EndAsync();
        said.ExitCode.ShouldBe(exitCode, $"{string.Join(' ', words)}: {said}");
        said.Notes.ShouldMatch($"(?m)^error: {sentence}", $"{string.Join(' ', words)}: {said}");
        said.Notes.ShouldNotContain("   at ");
        said.Output.ShouldBe("");
    }

    /// <summary>One more node, which draws what asks for its tag alone; the tag is its name.</summary>
    public Running StartNode(string name, int slots, params string[] options) =>
        At.Start(["node", "--orchestrator", At.Note.Url, "--slots", $"{slots}", "--tags", name, "--name", name, "--home", Path.Combine(At.Desk, name), .. options], FlatRender.Cli.Servers.Environment(At.Secrets, connection: null));

    public static async Task<JobId> SubmitAsync(Api api, int frames, IReadOnlyList<string>? tags = null, int? priority = null)
    {
        var bundle = JsonSerializer.SerializeToUtf8Bytes(new { name = "small", lottie = JsonDocument.Parse(SmallLottie.Of(to: $"{frames}")).RootElement }, Wire.Json);
        var template = await api.AddTemplateAsync(bundle, CancellationToken.None);
        return (await api.SubmitAsync(new NewRender(template.TemplateId, new Dictionary<string, string>(), null, null, null, null, priority, tags), Ids.New(), CancellationToken.None)).JobId;
    }

    /// <summary>A tenant of one's own, as anybody makes it: the environment in which its commands are called.</summary>
    public async Task<IReadOnlyDictionary<string, string>> CustomerAsync()
    {
        using var http = new HttpClient { BaseAddress = new Uri(At.Note.Url) };
        using var answer = await http.PostAsJsonAsync("/v1/auth/register", new NewAccount($"{Ids.New():N}@example.org", "a long enough password 7", "Customer", null), Wire.Json);
        answer.IsSuccessStatusCode.ShouldBeTrue(await answer.Content.ReadAsStringAsync());
        return new Dictionary<string, string> { ["FLATRENDER_URL"] = At.Note.Url, ["FLATRENDER_API_TOKEN"] = (await answer.Content.ReadFromJsonAsync<SignedIn>(Wire.Json))!.AccessToken };
    }
}

[CollectionDefinition(Name)]
public sealed class OneSlotTests : ICollectionFixture<OneSlot>
{
    public const string Name = "a farm of one slot";
}
