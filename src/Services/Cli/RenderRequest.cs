using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using FlatRender.Contracts;

namespace FlatRender.Cli;

/// <summary>What `flatrender render` was asked for, read and checked before anything is started.</summary>
public sealed partial record RenderRequest(TemplateFile Template, IReadOnlyDictionary<string, string> Inputs, int? Width, int? Height, string? Fps, string? Background, string Output, int? Slots, bool Json, bool Timing) : IDisposable
{
    static readonly Option[] s_options =
    [
        new("data", "INPUTS.json"), new("set", "KEY=VALUE", Repeats: true), new("size", "WxH"), new("fps", "N"), new("background", "#rrggbb"),
        new("output", "FILM.mp4", 'o'), new("slots", "N"), new("json"), new("timing"),
    ];

    /// <exception cref="Refusal">All that is wrong, at once.</exception>
    public static RenderRequest Read(IReadOnlyList<string> args, string folder)
    {
        var line = CommandLine.Parse(args, s_options).Takes(1, 1, "TEMPLATE.json");
        var problems = line.Problems;
        var (width, height) = Size(line);
        var fps = Checked(line, "fps", IsRate, "is no frame rate above 0, such as 30, 29.97 or 30000/1001");
        var background = Checked(line, "background", text => Colour().IsMatch(text), "is no colour such as #1a2b3c");
        int? slots = line.Has("slots") ? line.Number("slots", 1, 64, 1) : null;
        if (line.Words.Count == 0)
            throw new Refusal(Exit.BadInput, problems);

        var path = Path.GetFullPath(line.Words[0], folder);
        var template = new TemplateFile(path, line.Words[0], problems);
        var inputs = FieldValues.Read(line.Value("data"), line.Values("set"), template, folder, problems);
        var output = Path.GetFullPath(line.Value("output") ?? template.Name + ".mp4", folder);
        if (FilmFileName.Problem(output, path) is { } wrong)
            problems.Add(new("--output", "OUTPUT_UNWRITABLE", wrong));
        if (problems.Count == 0)
            return new(template, inputs, width, height, fps, background, output, slots, line.Has("json"), line.Has("timing"));
        template.Dispose();
        throw new Refusal(Exit.BadInput, problems);
    }

    public NewRender For(TemplateId template) => new(template, Inputs, Width, Height, Fps, Background, Priority: null);

    static (int?, int?) Size(CommandLine line)
    {
        if (line.Value("size") is not { } text)
            return (null, null);
        // One of the two may be left out: the composition's shape is kept.
        var parts = text.ToLowerInvariant().Replace('×', 'x').Split('x');
        if (parts.Length == 2 && (parts[0].Length | parts[1].Length) > 0 && Side(parts[0], out var width) && Side(parts[1], out var height))
            return (width, height);
        line.Wrong("--size", "BAD_SIZE", $"'{text}' is no size in whole pixels above 0, such as 1280x720");
        return (null, null);
    }

    static bool Side(string text, out int? side)
    {
        side = int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;
        return text.Length == 0 || side > 0;
    }

    static string? Checked(CommandLine line, string option, Func<string, bool> good, string otherwise)
    {
        if (line.Value(option) is not { } text || good(text))
            return line.Value(option);
        line.Wrong("--" + option, "BAD_OPTION", $"'{text}' {otherwise}");
        return null;
    }

    static bool IsRate(string text)
    {
        var parts = text.Split('/');
        return parts.Length is 1 or 2 && parts.All(p => decimal.TryParse(p, parts.Length == 1 ? NumberStyles.AllowDecimalPoint : NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0);
    }

    [GeneratedRegex("^#[0-9a-fA-F]{6}$")]
    private static partial Regex Colour();

    public void Dispose() => Template.Dispose();
}

/// <summary>Field values from a file and from the command line; the command line wins.</summary>
public static class FieldValues
{
    public static IReadOnlyDictionary<string, string> Read(string? dataPath, IReadOnlyList<string> sets, TemplateFile template, string folder, List<Problem> problems)
    {
        var inputs = new Dictionary<string, string>();
        if (dataPath is not null)
            FromFile(Path.GetFullPath(dataPath, folder), template, inputs, problems);
        foreach (var set in sets)
            if (set.IndexOf('=') is > 0 and var equals)
                Put(inputs, template, set[..equals], set[(equals + 1)..], folder, problems);
            else
                problems.Add(new("--set", "BAD_INPUT", $"'{set}' is not KEY=VALUE"));
        return inputs;
    }

    static void FromFile(string path, TemplateFile template, Dictionary<string, string> inputs, List<Problem> problems)
    {
        try
        {
            using var file = File.OpenRead(path);
            using var data = JsonDocument.Parse(file);
            if (data.RootElement.ValueKind != JsonValueKind.Object)
                problems.Add(new("--data", "BAD_INPUT", $"{path} is no JSON object of field keys and values"));
            else
                foreach (var field in data.RootElement.EnumerateObject())
                    FromProperty(field, Path.GetDirectoryName(path)!, template, inputs, problems);
        }
        catch (JsonException)
        {
            problems.Add(new("--data", "BAD_INPUT", $"{path} is not JSON"));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            problems.Add(new("--data", "BAD_INPUT", $"cannot be read: {e.Message}"));
        }
    }

    static void FromProperty(JsonProperty field, string folder, TemplateFile template, Dictionary<string, string> inputs, List<Problem> problems)
    {
        switch (field.Value.ValueKind)
        {
            case JsonValueKind.String:
                Put(inputs, template, field.Name, field.Value.GetString()!, folder, problems);
                break;
            case JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False:
                Put(inputs, template, field.Name, field.Value.GetRawText(), folder, problems);
                break;
            case JsonValueKind.Null:
                break;
            default:
                problems.Add(new(field.Name, "BAD_INPUT", "a field's value is a text, a number or null"));
                break;
        }
    }

    /// <summary>An image field takes a path, from where its name was written; the host never sees the path.</summary>
    static void Put(Dictionary<string, string> inputs, TemplateFile template, string key, string value, string folder, List<Problem> problems)
    {
        if (template.TypeOf(key) != "image" || value.StartsWith("data:", StringComparison.Ordinal))
        {
            inputs[key] = value;
            return;
        }
        var found = DataUri.Of(Path.GetFullPath(value, folder), out var uri);
        if (found == DataUri.Found.Yes && uri!.StartsWith("data:image/", StringComparison.Ordinal))
            inputs[key] = uri;
        else
            problems.Add(new(key, "IMAGE_UNREADABLE", found switch
            {
                DataUri.Found.No => $"the image file '{value}' does not exist",
                DataUri.Found.TooLarge => $"the image file '{value}' is larger than {Report.Bytes(DataUri.MaxBytes)}",
                _ => $"'{value}' is no PNG, JPEG, WebP or GIF image",
            }));
    }
}
