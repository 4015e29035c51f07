using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Schema;
using System.Text.Json.Serialization.Metadata;

namespace FlatRender.Contracts.Tests;

/// <summary>JSON Schema (2020-12) of a record as <see cref="Wire.Json"/> writes it.</summary>
static class Schemas
{
    static readonly JsonSerializerOptions s_wire = new(Wire.Json) { TypeInfoResolver = new DefaultJsonTypeInfoResolver() };

    /// <param name="allWritten">Null members are written as null, not left out: then they too are always there.</param>
    public static JsonObject Of(Type type, bool allWritten = false)
    {
        var schema = s_wire.GetJsonSchemaAsNode(type, new JsonSchemaExporterOptions { TreatNullObliviousAsNonNullable = true, TransformSchemaNode = Known }).AsObject();
        Settle(schema, allWritten);
        return schema;
    }

    static JsonNode Known(JsonSchemaExporterContext context, JsonNode schema)
    {
        var type = context.TypeInfo.Type;
        var inner = Nullable.GetUnderlyingType(type) ?? type;
        var format = inner.IsAssignableTo(typeof(ValueType)) && inner.GetInterfaces().Any(i => i.IsGenericType && i.GetGenericTypeDefinition() == typeof(IId<>)) || inner == typeof(Guid) ? "uuid" : inner == typeof(DateTimeOffset) ? "date-time" : null;
        if (format is null) return schema;
        var nullable = inner != type && context.PropertyInfo is { } property && !(property.Name == "at" || property.Name == "cancelled_at" && property.DeclaringType == typeof(LiveCancelled));
        return new JsonObject { ["type"] = nullable ? new JsonArray("string", "null") : "string", ["format"] = format };
    }

    /// <summary>A member that may be null is left out when it is: it is not required. Defaults say nothing to a reader.</summary>
    static void Settle(JsonNode? node, bool allWritten)
    {
        if (node is JsonArray array)
            foreach (var item in array) Settle(item, allWritten);
        if (node is not JsonObject schema) return;
        schema.Remove("default");
        if (schema["properties"] is JsonObject properties)
        {
            var given = schema["required"]?.AsArray().Select(r => (string)r!).ToHashSet() ?? [];
            string[] required = [.. properties.Where(p => allWritten || given.Contains(p.Key) && !MayBeNull(p.Value)).Select(p => p.Key)];
            schema.Remove("required");
            if (required.Length > 0) schema["required"] = new JsonArray([.. required.Select(r => JsonValue.Create(r))]);
            foreach (var (_, member) in properties) Settle(member, allWritten);
        }

        foreach (var keyword in (string[])["items", "additionalProperties", "anyOf"]) Settle(schema[keyword], allWritten);
    }

    static bool MayBeNull(JsonNode? schema) => schema is JsonObject { } s && s["type"] is JsonArray types && types.Any(t => (string?)t == "null");
}
