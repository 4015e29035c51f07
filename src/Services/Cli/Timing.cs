using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using FlatRender.Contracts;

namespace FlatRender.Cli;

/// <summary>Where the seconds of a render went: this command's own clock, and what the host measured.</summary>
public sealed class Timing
{
    static readonly (string Name, string Meaning)[] s_known =
    [
        ("postgres", "start the database"), ("host", "start the host"), ("node", "start the render node"), ("submit", "upload, plan and queue"),
        ("plan", "of that: preflight, texts, the plan of the film"), ("fetch", "fetch files (all slots together, as are the next)"), ("start", "start engines"), ("render", "draw frames"), ("encode", "encode frames"),
        ("check", "check what was drawn, and the film"), ("assemble", "join the film"), ("store", "store files"), ("cpu", "processor time of all that"),
        ("follow", "from queued to done"), ("download", "fetch the film"), ("total", "the whole command"),
    ];

    readonly Dictionary<string, double> _seconds = [];

    public void Set(string name, double seconds) => _seconds[name] = seconds;

    public void Add(IReadOnlyDictionary<string, double>? measured)
    {
        foreach (var (name, seconds) in measured ?? new Dictionary<string, double>())
            _seconds[name] = seconds;
    }

    public async Task<T> OfAsync<T>(string name, Func<Task<T>> work)
    {
        var since = Stopwatch.GetTimestamp();
        var result = await work();
        _seconds[name] = Stopwatch.GetElapsedTime(since).TotalSeconds;
        return result;
    }

    public Task OfAsync(string name, Func<Task> work) => OfAsync(name, async () =>
    {
        await work();
        return true;
    });

    public IReadOnlyDictionary<string, double> Rounded() => Ordered().ToDictionary(n => n, n => Math.Round(_seconds[n], 3));

    /// <summary>Leaves it for `doctor`. A film is not refused because this could not be written.</summary>
    public void Keep(string path)
    {
        try
        {
            File.WriteAllText(path, JsonSerializer.Serialize(Rounded(), Wire.Json));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Debug.WriteLine(e.Message);
        }
    }

    /// <returns>One line, or null where no render was timed yet.</returns>
    public static string? Last(string path) =>
        File.Exists(path) && JsonSerializer.Deserialize<Dictionary<string, double>>(File.ReadAllText(path), Wire.Json) is { } seconds
            ? string.Join(", ", seconds.Select(s => FormattableString.Invariant($"{s.Key} {s.Value:0.0} s")))
            : null;

    public void Print(TextWriter output) =>
        Report.Table(output, Ordered().Select(n => new[] { n, _seconds[n].ToString("0.000", CultureInfo.InvariantCulture).PadLeft(8) + " s", s_known.FirstOrDefault(k => k.Name == n).Meaning ?? "" }));

    /// <summary>In the order of the work; names that only the host knows come before the download.</summary>
    IEnumerable<string> Ordered()
    {
        var last = s_known[^3..].Select(k => k.Name).ToArray();
        var first = s_known[..^3].Select(k => k.Name).ToArray();
        return first.Where(_seconds.ContainsKey).Concat(_seconds.Keys.Except(first).Except(last).Order(StringComparer.Ordinal)).Concat(last.Where(_seconds.ContainsKey));
    }
}
