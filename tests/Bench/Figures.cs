using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace FlatRender.Bench;

/// <summary>What a benchmark measured, and the settings that change its meaning.</summary>
sealed class Figures(string title)
{
    readonly List<(string Key, double? Value, string What, string? Aim)> _measured = [];
    readonly JsonObject _settings = [];

    /// <param name="value">Null: it could not be measured here; <paramref name="what"/> says why.</param>
    /// <param name="aim">What it is meant to be, for the reader.</param>
    public void Add(string key, double? value, string what, string? aim = null) => _measured.Add((key, value, what, aim));

    public static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return sorted[sorted.Length / 2];
    }

    public void Set(string key, JsonNode? value) => _settings[key] = value;

    public void Print(TextWriter to)
    {
        to.WriteLine($"## {title}");
        to.WriteLine();
        to.WriteLine("| figure | measured | aim | what it is |");
        to.WriteLine("|---|---:|---:|---|");
        foreach (var (key, value, what, aim) in _measured) to.WriteLine($"| {key} | {Rounded(value)} | {aim ?? ""} | {what} |");
        to.WriteLine();
        to.WriteLine("Settings: " + string.Join(", ", _settings.Select(s => $"{s.Key} = {s.Value}")));
        var all = new JsonObject();
        foreach (var (key, value, _, _) in _measured) all[key] = value is { } v ? Math.Round(v, 4) : null;
        foreach (var (key, value) in _settings) all[key] = value?.DeepClone();
        to.WriteLine(all.ToJsonString(new JsonSerializerOptions { WriteIndented = false }));
    }

    static string Rounded(double? value) => value switch
    {
        null => "-",
        >= 100 => value.Value.ToString("N0", CultureInfo.InvariantCulture),
        _ => value.Value.ToString("0.###", CultureInfo.InvariantCulture),
    };
}
