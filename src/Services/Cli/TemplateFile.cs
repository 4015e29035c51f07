using System.Text.Json;
using FlatRender.Contracts;

namespace FlatRender.Cli;

/// <summary>A template as it lies on disk: the composition, its fields file, and the images and fonts beside it.</summary>
public sealed class TemplateFile : IDisposable
{
    const long MaxBytes = 64 << 20;
    static readonly JsonDocumentOptions s_deep = new() { MaxDepth = 512 };

    readonly JsonDocument? _lottie, _fields;
    readonly Dictionary<string, string> _assets = [], _fonts = [];

    public string Name { get; }
    public IReadOnlyDictionary<string, string> Assets => _assets;
    public IReadOnlyDictionary<string, string> Fonts => _fonts;

    /// <summary>Reads all there is; what is wrong is added to <paramref name="problems"/>.</summary>
    /// <param name="shown">The path as the caller wrote it.</param>
    public TemplateFile(string path, string shown, List<Problem> problems)
    {
        var stem = Path.GetFileNameWithoutExtension(path);
        var folder = Path.GetDirectoryName(path)!;
        Name = stem is "template" && Path.GetFileName(folder) is { Length: > 0 } named ? named : stem;
        _lottie = Read(path, shown, "the template", problems);
        var fieldsPath = Path.Combine(folder, stem + ".fields.json");
        if (File.Exists(fieldsPath))
            _fields = Read(fieldsPath, Path.GetFileName(fieldsPath), "the fields file", problems);
        if (_lottie is not null && !LooksLikeLottie(_lottie.RootElement))
            problems.Add(new(shown, "TEMPLATE_INVALID", "is JSON, but no Lottie composition: it has no \"layers\""));
        else if (_lottie is not null)
            ReadImages(folder, problems);
        if (_fields is not null)
            ReadFonts(folder, problems);
    }

    /// <summary>The type of a field by its key, where there is a fields file that knows it.</summary>
    public string? TypeOf(string key) => Fields().Where(f => Text(f, "key") == key).Select(f => Text(f, "type")).FirstOrDefault();

    /// <summary>The document that is uploaded. Written by hand: the composition's own nesting may be deeper than our own JSON ever is.</summary>
    public byte[] Bundle()
    {
        using var memory = new MemoryStream();
        using (var writer = new Utf8JsonWriter(memory, new JsonWriterOptions { MaxDepth = 1000, Encoder = Wire.Json.Encoder }))
        {
            writer.WriteStartObject();
            writer.WriteString("name", Name);
            writer.WritePropertyName("lottie");
            _lottie!.RootElement.WriteTo(writer);
            if (_fields is not null)
            {
                writer.WritePropertyName("fields");
                _fields.RootElement.WriteTo(writer);
            }
            WriteMap(writer, "assets", _assets);
            WriteMap(writer, "fonts", _fonts);
            writer.WriteEndObject();
        }
        return memory.ToArray();
    }

    static void WriteMap(Utf8JsonWriter writer, string name, Dictionary<string, string> map)
    {
        if (map.Count == 0)
            return;
        writer.WriteStartObject(name);
        foreach (var (key, value) in map)
            writer.WriteString(key, value);
        writer.WriteEndObject();
    }

    static JsonDocument? Read(string path, string shown, string what, List<Problem> problems)
    {
        try
        {
            if (Directory.Exists(path))
                problems.Add(new(shown, "TEMPLATE_UNREADABLE", $"is a folder: {what} is a JSON file"));
            else if (!File.Exists(path))
                problems.Add(new(shown, "TEMPLATE_MISSING", "there is no such file"));
            else if (new FileInfo(path).Length is > MaxBytes and var size)
                problems.Add(new(shown, "TEMPLATE_TOO_LARGE", $"has {Report.Bytes(size)}: at most {Report.Bytes(MaxBytes)} are taken"));
            else
                using (var file = File.OpenRead(path))
                    return JsonDocument.Parse(file, s_deep);
        }
        catch (JsonException e)
        {
            problems.Add(new(shown, "TEMPLATE_INVALID", $"is not JSON: {FirstSentence(e.Message)} (line {e.LineNumber + 1})"));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            problems.Add(new(shown, "TEMPLATE_UNREADABLE", $"cannot be read: {e.Message}"));
        }
        return null;
    }

    static string FirstSentence(string message) => message.Split(". ")[0].TrimEnd('.');

    static bool LooksLikeLottie(JsonElement root) => root.ValueKind == JsonValueKind.Object && root.TryGetProperty("layers", out var layers) && layers.ValueKind == JsonValueKind.Array;

    /// <summary>Images and sounds that the composition names and that lie in its folder. Those that do not exist are left to the host's preflight: a field may fill them.</summary>
    void ReadImages(string folder, List<Problem> problems)
    {
        if (!_lottie!.RootElement.TryGetProperty("assets", out var assets) || assets.ValueKind != JsonValueKind.Array)
            return;
        var filled = Fields().Where(f => Text(f, "type") == "image").Select(f => Text(f, "asset")).ToHashSet();
        foreach (var asset in assets.EnumerateArray().Where(a => a.ValueKind == JsonValueKind.Object))
        {
            if (Text(asset, "p") is not { Length: > 0 } file || file.StartsWith("data:", StringComparison.Ordinal))
                continue;
            var name = Text(asset, "u") + file;
            if (_assets.ContainsKey(name))
                continue;
            switch (DataUri.Beside(folder, name, out var uri))
            {
                case DataUri.Found.Yes:
                    _assets[name] = uri!;
                    break;
                case DataUri.Found.Outside when !filled.Contains(Text(asset, "id")):
                    problems.Add(new(name, "IMAGE_OUTSIDE", "the image lies outside the template's folder: only what is beside the template is read"));
                    break;
                case DataUri.Found.TooLarge:
                    problems.Add(new(name, "IMAGE_TOO_LARGE", $"the image is larger than {Report.Bytes(DataUri.MaxBytes)}"));
                    break;
                case DataUri.Found.Unknown:
                    problems.Add(new(name, "IMAGE_INVALID", "is no PNG, JPEG, WebP or GIF image, and no sound that is known"));
                    break;
            }
        }
    }

    void ReadFonts(string folder, List<Problem> problems)
    {
        if (_fields!.RootElement.ValueKind != JsonValueKind.Object || !_fields.RootElement.TryGetProperty("fonts", out var fonts) || fonts.ValueKind != JsonValueKind.Object)
            return;
        foreach (var font in fonts.EnumerateObject())
        {
            var file = font.Value.ValueKind == JsonValueKind.String ? font.Value.GetString()! : "";
            var found = DataUri.Beside(folder, file, out var uri);
            if (found == DataUri.Found.Yes)
                _fonts[font.Name] = uri!;
            else
                problems.Add(new(font.Name, "FONT_UNREADABLE", found switch
                {
                    DataUri.Found.No => $"the font file '{file}' does not exist",
                    DataUri.Found.Outside => $"the font file '{file}' lies outside the template's folder",
                    DataUri.Found.TooLarge => $"the font file '{file}' is larger than {Report.Bytes(DataUri.MaxBytes)}",
                    _ => $"'{file}' is no TTF or OTF font",
                }));
        }
    }

    IEnumerable<JsonElement> Fields() =>
        _fields is { RootElement.ValueKind: JsonValueKind.Object } && _fields.RootElement.TryGetProperty("fields", out var fields) && fields.ValueKind == JsonValueKind.Array
            ? fields.EnumerateArray().Where(f => f.ValueKind == JsonValueKind.Object)
            : [];

    static string? Text(JsonElement of, string name) => of.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    public void Dispose()
    {
        _lottie?.Dispose();
        _fields?.Dispose();
    }
}
