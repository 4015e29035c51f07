using System.Diagnostics;
using System.Text.Json;
using FlatRender.StandIn;

namespace FlatRender.Cli.Tests;

/// <summary>A person's desk: a folder with a template in it, a home, and what the command line says, kept.</summary>
public sealed class Desk : IDisposable
{
    public const string Token = "the-token";
    public const string SmallLottie = """{"v":"5.7.0","w":640,"h":360,"fr":30,"ip":0,"op":100,"layers":[],"assets":[]}""";

    readonly StringWriter _output = new(), _notes = new();

    readonly string? _root;

    /// <param name="home">A home that is used before and after; null for one of its own.</param>
    /// <param name="root">A checkout whose programs are started; null for none.</param>
    public Desk(string? home = null, string? root = null)
    {
        _root = root;
        // Blanks in the path: what breaks on them breaks here.
        Folder = Directory.CreateTempSubdirectory("flat render ").FullName;
        File.SetUnixFileMode(Folder, (UnixFileMode)0b111_101_101);
        Write("card.json", SmallLottie);
        Home = new Home(home ?? Path("home"));
    }

    public Home Home { get; }

    public string Folder { get; }
    public string Output => _output.ToString();
    public string Notes => _notes.ToString();
    public string Path(string name) => System.IO.Path.Combine(Folder, name);
    public Dictionary<string, string> Variables { get; } = [];

    public string Write(string name, string text)
    {
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(Path(name))!);
        File.WriteAllText(Path(name), text);
        return Path(name);
    }

    public string Write(string name, byte[] bytes)
    {
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(Path(name))!);
        File.WriteAllBytes(Path(name), bytes);
        return Path(name);
    }

    public static byte[] Png => [0x89, .. "PNG\r\n"u8, 0x1A, .. "\n and pixels"u8];

    public Task<int> RunAsync(string command, CancellationToken stop = default, params string[] args) => RunAsync([command, .. args], stop);

    public Task<int> RunAsync(IReadOnlyList<string> args, CancellationToken stop = default) =>
        Commands.RunAsync(new Workplace(_root ?? Folder, Home, Folder, new Terminal(_output, _notes, 0), TimeProvider.System, name => Variables.GetValueOrDefault(name)), args, stop);

    public Task<int> RenderAsync(params string[] args) => RunAsync(["render", .. args]);

    public async Task<StandInHost> HostAsync()
    {
        var host = await StandInHost.StartAsync("http://127.0.0.1:0", Token);
        Variables["FLATRENDER_URL"] = host.Url;
        Variables["FLATRENDER_API_TOKEN"] = Token;
        return host;
    }

    public JsonElement Json => JsonDocument.Parse(Output).RootElement;

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
