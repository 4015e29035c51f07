using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using FlatRender.Contracts;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.Extensions.DependencyInjection;

namespace FlatRender.Gateway.Tests;

/// <summary>Everything the running server says of its REST, and whether an answer keeps to it.</summary>
public sealed partial class Contract(JsonObject document)
{
    public static async Task<Contract> OfAsync(IServiceProvider services) => new(await ContractDocuments.GenerateAsync(services, ContractDocuments.House));

    /// <summary>Fails where an answer has a status, a type or a member that is not documented, or lacks one that is.</summary>
    public async Task CheckAsync(HttpResponseMessage answer)
    {
        var request = answer.RequestMessage!;
        var at = $"{request.Method} {request.RequestUri!.AbsolutePath} -> {(int)answer.StatusCode}";
        var type = answer.Content.Headers.ContentType?.MediaType;
        if (Operation(request.Method.Method, request.RequestUri.AbsolutePath) is not { } operation)
        {
            // Outside of the contract there are health, documents and what is not there at all.
            if ((int)answer.StatusCode >= 400) await CheckAsync(answer, Ref("ErrorEnvelope"), at);
            return;
        }
        var responses = operation["responses"]!.AsObject();
        responses.ContainsKey($"{(int)answer.StatusCode}").ShouldBeTrue($"{at} is not documented: {await answer.Content.ReadAsStringAsync()}");
        var content = responses[$"{(int)answer.StatusCode}"]!["content"]?.AsObject();
        if (content is null || content.Count == 0 || answer.StatusCode == System.Net.HttpStatusCode.NotModified) return;
        content.Select(c => c.Key).ShouldContain(type, at);
        if (type == "application/json") await CheckAsync(answer, content[type!]!["schema"], at);
    }

    async Task CheckAsync(HttpResponseMessage answer, JsonNode? schema, string at)
    {
        using var body = JsonDocument.Parse(await answer.Content.ReadAsStringAsync());
        Problems(schema, body.RootElement, "").ShouldBeEmpty(at);
    }

    JsonNode? Operation(string method, string path) => document["paths"]!.AsObject().Where(p => Matches(p.Key, path)).OrderBy(p => p.Key.Count(c => c == '{')).Select(p => p.Value![method.ToLowerInvariant()]).FirstOrDefault(o => o is not null);

    static bool Matches(string template, string path) => Regex.IsMatch(path, "^" + Placeholder().Replace(template, "[^/]+") + "$");

    static JsonNode Ref(string name) => new JsonObject { ["$ref"] = $"#/components/schemas/{name}" };

    IEnumerable<string> Problems(JsonNode? schema, JsonElement value, string path)
    {
        if (schema?["$ref"]?.GetValue<string>() is { } reference) return Problems(document["components"]!["schemas"]![reference.Split('/')[^1]], value, path);
        if (schema?["allOf"] is JsonArray all) return all.SelectMany(s => Problems(s, value, path));
        if ((schema?["oneOf"] ?? schema?["anyOf"]) is JsonArray any) return any.Any(s => !Problems(s, value, path).Any()) || value.ValueKind == JsonValueKind.Null ? [] : [$"{path}: none of the shapes fits {value}"];
        if (value.ValueKind == JsonValueKind.Null) return schema?["type"] is null || schema["nullable"]?.GetValue<bool>() == true ? [] : [$"{path}: null"];
        return schema?["type"]?.GetValue<string>() switch
        {
            "object" => Members(schema, value, path),
            "array" => value.ValueKind != JsonValueKind.Array ? [$"{path}: no array"] : value.EnumerateArray().SelectMany((item, i) => Problems(schema["items"], item, $"{path}/{i}")),
            "string" => value.ValueKind != JsonValueKind.String ? [$"{path}: no text"] : Formed(schema["format"]?.GetValue<string>(), value) ? [] : [$"{path}: {value} is no {schema["format"]}"],
            "integer" => value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out _) ? [] : [$"{path}: {value} is no integer"],
            "number" => value.ValueKind == JsonValueKind.Number ? [] : [$"{path}: {value} is no number"],
            "boolean" => value.ValueKind is JsonValueKind.True or JsonValueKind.False ? [] : [$"{path}: {value} is no boolean"],
            _ => [],
        };
    }

    IEnumerable<string> Members(JsonNode schema, JsonElement value, string path)
    {
        if (value.ValueKind != JsonValueKind.Object) return [$"{path}: no object"];
        var members = schema["properties"] as JsonObject ?? [];
        var missing = (schema["required"] as JsonArray ?? []).Select(r => r!.GetValue<string>()).Where(r => !value.TryGetProperty(r, out _)).Select(r => $"{path}/{r} is missing");
        var rest = schema["additionalProperties"];
        return missing.Concat(value.EnumerateObject().SelectMany(m => members[m.Name] is { } member ? Problems(member, m.Value, $"{path}/{m.Name}")
            : rest is JsonObject ? Problems(rest, m.Value, $"{path}/{m.Name}") : members.Count == 0 && rest is null ? [] : [$"{path}/{m.Name} is not documented"]));
    }

    static bool Formed(string? format, JsonElement value) => format switch
    {
        "uuid" => value.TryGetGuid(out _),
        "date-time" => value.TryGetDateTimeOffset(out _),
        _ => true,
    };

    [GeneratedRegex(@"\\?\{[^}]+\}")]
    private static partial Regex Placeholder();
}
