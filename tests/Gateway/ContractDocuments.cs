using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Schema;
using System.Text.RegularExpressions;
using FlatRender.Contracts;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.OpenApi;

namespace FlatRender.Gateway.Tests;

/// <summary>The REST contracts, made from the endpoints of the running server and the records they speak in.</summary>
static partial class ContractDocuments
{
    /// <param name="Tags">Of the endpoints in it; null: all.</param>
    public sealed record Described(string Name, string Title, string Description, IReadOnlyList<string>? Tags);

    const string Reseller = "reseller-api";

    public static readonly Described House = new("house", "FlatRender", "Everything.", null);

    public static readonly IReadOnlyList<Described> All =
    [
        new("gateway-public", "FlatRender public API", "What the frontend and other programs of a tenant call, and what support staff call under /v1/support.", ["auth", "users", "api-keys", "credits", "templates", "projects", "renders", "notifications", "webhooks", "support"]),
        new(Reseller, "FlatRender reseller API", "What a reseller's programs call, with an API key. Requests are signed; src/Contracts/rest/reseller.md says how, with an example, and what each refusal means.", ["credits", "templates", "projects", "renders", "webhooks"]),
        new("identity", "FlatRender identity service", "Who people are, what they may do, and what they have to spend.", ["auth", "users", "api-keys", "credits"]),
        new("content", "FlatRender content service", "Templates.", ["templates"]),
        new("studio", "FlatRender studio service", "Projects and their snapshots.", ["projects"]),
        new("render", "FlatRender render service", "Where node agents call home.", ["nodes"]),
        new("file", "FlatRender file service", "Files by the digest of their bytes, for nodes.", ["files"]),
        new("notification", "FlatRender notification service", "Who is told how renders ended: people in their list, and webhooks, whose calls src/Services/Notification/README.md describes.", ["notifications", "webhooks"]),
    ];

    static readonly Dictionary<string, string> Tags = new()
    {
        ["auth"] = "Signing in and out.",
        ["users"] = "A tenant's people.",
        ["api-keys"] = "Keys for a tenant's own programs.",
        ["credits"] = "What a tenant has to spend.",
        ["templates"] = "What films are made from.",
        ["projects"] = "A template with what is filled in, and what it was at some time.",
        ["renders"] = "Films in the making.",
        ["notifications"] = "What a person is told.",
        ["webhooks"] = "Addresses of a tenant's own that are told, and what they were told.",
        ["support"] = "For who helps and who audits.",
        ["nodes"] = "Render nodes.",
        ["files"] = "Blobs.",
    };

    public static IServiceCollection AddContractDocuments(this IServiceCollection services)
    {
        foreach (var one in All.Append(House))
            services.AddOpenApi(one.Name, options =>
            {
                options.OpenApiVersion = OpenApiSpecVersion.OpenApi3_0;
                options.ShouldInclude = d => d.ActionDescriptor.EndpointMetadata.OfType<ITagsMetadata>().SelectMany(t => t.Tags).ToArray() is var tags && (one.Tags is null || tags.Any(one.Tags.Contains));
                options.AddSchemaTransformer(Complete);
            });
        return services;
    }

    // Ids are UUIDs on the wire; and what may be null is left out, so it is not required.
    static Task Complete(OpenApiSchema schema, OpenApiSchemaTransformerContext context, CancellationToken cancel)
    {
        if (IsId(context.JsonTypeInfo.Type)) (schema.Type, schema.Format) = (JsonSchemaType.String, "uuid");
        if (context.JsonTypeInfo.Type.GetGenericArguments() is [var item] && IsId(item) && !IsId(context.JsonTypeInfo.Type)) schema.Items = new OpenApiSchema { Type = JsonSchemaType.String, Format = "uuid" };
        if (schema.Required is { Count: > 0 })
            schema.Required = context.JsonTypeInfo.Properties.Where(p => schema.Required.Contains(p.Name) && !p.IsGetNullable).Select(p => p.Name).ToHashSet();
        return Task.CompletedTask;
    }

    /// <summary>A whole document, with nothing referred to elsewhere.</summary>
    public static async Task<JsonObject> GenerateAsync(IServiceProvider services, Described one)
    {
        var generated = await services.GetRequiredKeyedService<IOpenApiDocumentProvider>(one.Name).GetOpenApiDocumentAsync();
        var document = JsonNode.Parse(await generated.SerializeAsJsonAsync(OpenApiSpecVersion.OpenApi3_0))!.AsObject();
        var open = services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>().Where(e => e.Metadata.GetMetadata<IAllowAnonymous>() is not null)
            .Select(e => "/" + Constraint().Replace(e.RoutePattern.RawText!.Trim('/'), "}")).ToHashSet();
        var paths = document["paths"] as JsonObject ?? [];
        foreach (var (path, item) in paths)
            foreach (var (_, operation) in item!.AsObject())
                Tell(operation!.AsObject(), open.Contains(path));
        Untangle(document);
        var schemas = document["components"]?["schemas"]?.DeepClone() as JsonObject ?? [];
        return Head(one, new JsonObject(paths.OrderBy(p => p.Key, StringComparer.Ordinal).Select(p => KeyValuePair.Create(p.Key, p.Value?.DeepClone()))), new JsonObject(schemas.OrderBy(s => s.Key, StringComparer.Ordinal).Select(s => KeyValuePair.Create(s.Key, s.Value?.DeepClone()))));
    }

    // What has no type may be anything, null too: saying so is not allowed.
    static void Untangle(JsonNode? node)
    {
        if (node is JsonObject o)
        {
            if (o["nullable"] is JsonValue && o["type"] is null) o.Remove("nullable");
            foreach (var (_, value) in o.ToArray()) Untangle(value);
        }
        else if (node is JsonArray list)
            foreach (var item in list) Untangle(item);
    }

    static JsonObject Head(Described one, JsonObject paths, JsonObject schemas)
    {
        var components = new JsonObject { ["schemas"] = schemas };
        var schemes = one.Name == Reseller ? Signed() : new JsonObject { ["bearer"] = new JsonObject { ["type"] = "http", ["scheme"] = "bearer", ["description"] = "An access token, or the installation's own token." } };
        if (paths.Count > 0) components["securitySchemes"] = schemes;
        var document = new JsonObject
        {
            ["openapi"] = "3.0.4",
            ["info"] = new JsonObject
            {
                ["title"] = one.Title,
                ["description"] = one.Description,
                ["version"] = "1.0.0",
                ["contact"] = new JsonObject { ["name"] = "FlatRender" },
                ["license"] = new JsonObject { ["name"] = "Apache-2.0", ["url"] = "https://www.apache.org/licenses/LICENSE-2.0.html" },
            },
            ["servers"] = new JsonArray(new JsonObject { ["url"] = "/" }),
            ["tags"] = new JsonArray([.. (one.Tags ?? []).Order(StringComparer.Ordinal).Select(t => new JsonObject { ["name"] = t, ["description"] = Tags[t] })]),
            ["paths"] = paths,
            ["components"] = components,
        };
        // All of them at once.
        if (paths.Count > 0) document["security"] = new JsonArray(new JsonObject(schemes.Select(s => KeyValuePair.Create<string, JsonNode?>(s.Key, new JsonArray()))));
        return document;
    }

    static JsonObject Signed()
    {
        return new JsonObject
        {
            ["api_key"] = In(SignedHeaders.Key, "The key's id, as the list of keys shows it."),
            ["signature"] = In(SignedHeaders.Signature, "HMAC-SHA256 in lower-case hex, keyed with the key's secret, over method, path and query, body digest, timestamp, nonce and, where there is one, the Idempotency-Key, a line feed between each."),
            ["timestamp"] = In(SignedHeaders.Timestamp, "Unix seconds; five minutes of difference are accepted."),
            ["nonce"] = In(SignedHeaders.Nonce, "16 to 64 printable characters, used once."),
            ["body_digest"] = In(SignedHeaders.Digest, "SHA-256 of the body in lower-case hex; of nothing, where there is no body."),
        };

        static JsonObject In(string header, string description) => new() { ["type"] = "apiKey", ["in"] = "header", ["name"] = header, ["description"] = description };
    }

    static void Tell(JsonObject operation, bool open)
    {
        operation["description"] ??= operation["summary"]?.DeepClone();
        if (open) operation["security"] = new JsonArray();
        foreach (var parameter in (operation["parameters"] as JsonArray ?? []).Select(p => p!.AsObject()))
        {
            var name = parameter["name"]!.GetValue<string>();
            if (name is "id" or "project_id" or "tenant" or "job") parameter["schema"] = new JsonObject { ["type"] = "string", ["format"] = "uuid" };
            parameter["description"] ??= Described_(name);
        }
    }

    static string Described_(string name) => name switch
    {
        "id" => "Its id.",
        "page" => "From 1.",
        "page_size" => "At most so many a page.",
        "Idempotency-Key" => "The same key is the same request, however often it is sent.",
        "If-Match" => "The ETag that was seen.",
        "step" => "Only renders at this step.",
        "from" => "From then on.",
        "to" => "Until then.",
        "title" => "Part of the title.",
        "unread" => "Only those not read yet.",
        "digest" => "SHA-256 in lower-case hex.",
        _ => $"See the endpoint's summary for {name}.",
    };

    /// <summary>What all documents share: src/Contracts/common/types.yaml.</summary>
    public static JsonObject Common(JsonObject house)
    {
        var schemas = house["components"]!["schemas"]!;
        return new JsonObject
        {
            ["openapi"] = "3.0.4",
            ["info"] = Head(new("common", "FlatRender common types", "What every document of FlatRender's REST uses.", null), [], [])["info"]!.DeepClone(),
            ["servers"] = new JsonArray(new JsonObject { ["url"] = "/" }),
            ["paths"] = new JsonObject(),
            ["components"] = new JsonObject
            {
                ["schemas"] = new JsonObject
                {
                    ["Error"] = Local(schemas["ErrorEnvelope"]!),
                    ["ErrorBody"] = Local(schemas["ErrorBody"]!),
                    ["Problem"] = Local(schemas["Problem"]!),
                    ["PaginatedResponse"] = new JsonObject
                    {
                        ["type"] = "object",
                        ["description"] = "One page of a list; the items are described where the list is.",
                        ["required"] = new JsonArray("page", "page_size", "total"),
                        ["properties"] = new JsonObject
                        {
                            ["page"] = new JsonObject { ["type"] = "integer", ["format"] = "int32", ["minimum"] = 1 },
                            ["page_size"] = new JsonObject { ["type"] = "integer", ["format"] = "int32", ["minimum"] = 1 },
                            ["total"] = new JsonObject { ["type"] = "integer", ["format"] = "int64", ["minimum"] = 0, ["description"] = "On all pages together." },
                        },
                    },
                },
            },
        };

        static JsonNode Local(JsonNode schema) => JsonNode.Parse(schema.ToJsonString())!;
    }

    /// <summary>The same document with what is common referred to.</summary>
    public static JsonObject Sharing(JsonObject document)
    {
        var shared = JsonNode.Parse(document.ToJsonString()
            .Replace("#/components/schemas/ErrorEnvelope", "../common/types.yaml#/components/schemas/Error", StringComparison.Ordinal)
            .Replace("\"#/components/schemas/Problem\"", "\"../common/types.yaml#/components/schemas/Problem\"", StringComparison.Ordinal))!.AsObject();
        var schemas = shared["components"]!["schemas"]!.AsObject();
        foreach (var name in new[] { "ErrorEnvelope", "ErrorBody", "Problem" }) schemas.Remove(name);
        foreach (var (name, schema) in schemas.Where(s => s.Key.StartsWith("PageOf", StringComparison.Ordinal)).ToArray())
            schemas[name] = new JsonObject { ["allOf"] = new JsonArray(new JsonObject { ["$ref"] = "../common/types.yaml#/components/schemas/PaginatedResponse" }, new JsonObject { ["type"] = "object", ["required"] = new JsonArray("items"), ["properties"] = new JsonObject { ["items"] = schema!["properties"]!["items"]!.DeepClone() } }) };
        if (schemas.Count == 0) shared["components"]!.AsObject().Remove("schemas");
        if (shared["components"]!.AsObject().Count == 0) shared.Remove("components");
        return shared;
    }

    /// <summary>The node agent is another program: its calls are read off its door, its bodies off the records.</summary>
    public static JsonObject NodeAgent()
    {
        var paths = new JsonObject
        {
            ["/v1/health"] = Item("get", "GetHealth", "Whether the agent lives.", 200, null, null, signed: false),
            ["/v1/status"] = Item("get", "GetStatus", "What it works on.", 200, null, null),
            ["/v1/capabilities"] = Item("get", "GetCapabilities", "What it can do.", 200, null, Schema(typeof(NodeRegistration))),
            ["/v1/tasks"] = Item("post", "Assign", "Gives it a task.", 202, Schema(typeof(NodeTask)), null, 400, 409, 410, 413),
            ["/v1/tasks/{lease}"] = Item("delete", "Abort", "Takes a task back.", 204, null, null, 404),
            ["/v1/drain"] = Item("post", "Drain", "It finishes what it has, takes nothing new, then leaves.", 202, null, null),
        };
        paths["/v1/tasks/{lease}"]!["delete"]!["parameters"] = new JsonArray(new JsonObject { ["name"] = "lease", ["in"] = "path", ["required"] = true, ["description"] = "The lease's id.", ["schema"] = new JsonObject { ["type"] = "string", ["format"] = "uuid" } });
        var document = Head(new("node-agent", "FlatRender node agent API", "What the render orchestrator calls on a node. Requests are signed; src/Services/NodeAgent/NodeProtocol.md says how, and what follows from each answer.", []), paths, []);
        document["tags"] = new JsonArray(new JsonObject { ["name"] = "node", ["description"] = "One render node." });
        document["components"] = new JsonObject { ["securitySchemes"] = new JsonObject { ["signature"] = new JsonObject { ["type"] = "apiKey", ["in"] = "header", ["name"] = "X-Orchestrator-Signature", ["description"] = "HMAC-SHA256 with the shared secret over method, path, body digest, X-Orchestrator-Timestamp and X-Orchestrator-Nonce." } } };
        document["security"] = new JsonArray(new JsonObject { ["signature"] = new JsonArray() });
        return document;
    }

    static JsonObject Item(string method, string id, string summary, int status, JsonNode? asks, JsonNode? answers, params int[] refusals) => Item(method, id, summary, status, asks, answers, true, refusals);

    static JsonObject Item(string method, string id, string summary, int status, JsonNode? asks, JsonNode? answers, bool signed, params int[] refusals)
    {
        var success = new JsonObject { ["description"] = summary };
        if (answers is not null || status == 200) success["content"] = new JsonObject { ["application/json"] = new JsonObject { ["schema"] = answers ?? new JsonObject { ["type"] = "object" } } };
        var responses = new JsonObject { [$"{status}"] = success };
        foreach (var refusal in refusals.Concat(signed ? [401] : []).Order())
            responses[$"{refusal}"] = new JsonObject { ["description"] = "Refused.", ["content"] = new JsonObject { ["application/json"] = new JsonObject { ["schema"] = new JsonObject { ["$ref"] = "../common/types.yaml#/components/schemas/Error" } } } };
        var operation = new JsonObject { ["tags"] = new JsonArray("node"), ["summary"] = summary, ["description"] = summary, ["operationId"] = id };
        if (!signed) operation["security"] = new JsonArray();
        if (asks is not null) operation["requestBody"] = new JsonObject { ["required"] = true, ["content"] = new JsonObject { ["application/json"] = new JsonObject { ["schema"] = asks } } };
        operation["responses"] = responses;
        return new JsonObject { [method] = operation };
    }

    // JSON Schema as .NET exports it, as OpenAPI 3.0 writes it.
    static JsonNode Schema(Type type)
    {
        var exported = JsonSchemaExporter.GetJsonSchemaAsNode(Wire.Json, type, new JsonSchemaExporterOptions { TreatNullObliviousAsNonNullable = true, TransformSchemaNode = Rewritten });
        return Inlined(exported, exported);
    }

    static JsonNode Rewritten(JsonSchemaExporterContext context, JsonNode node)
    {
        if (IsId(context.TypeInfo.Type)) return new JsonObject { ["type"] = "string", ["format"] = "uuid" };
        if (node is not JsonObject schema) return new JsonObject();
        if (schema["type"] is JsonArray types)
        {
            schema["type"] = types.Select(t => t!.GetValue<string>()).First(t => t != "null");
            schema["nullable"] = true;
        }
        if (schema["required"] is JsonArray required)
        {
            var needed = required.Select(r => r!.GetValue<string>()).Where(r => context.TypeInfo.Properties.Any(p => p.Name == r && !p.IsGetNullable)).ToArray();
            schema.Remove("required");
            if (needed.Length > 0) schema["required"] = new JsonArray([.. needed.Select(n => (JsonNode)n)]);
        }
        return schema;
    }

    static bool IsId(Type type) => (Nullable.GetUnderlyingType(type) ?? type).GetInterfaces().Any(i => i.IsGenericType && i.GetGenericTypeDefinition() == typeof(IId<>));

    // A shape that comes twice is referred to from the schema's root, which in a document is not the root.
    static JsonNode Inlined(JsonNode node, JsonNode root) => node switch
    {
        JsonObject o when o["$ref"]?.GetValue<string>() is { } path && path.StartsWith("#/", StringComparison.Ordinal) =>
            Inlined(path[2..].Split('/').Aggregate(root, (at, step) => at is JsonArray list ? list[int.Parse(step)]! : at[step]!), root),
        // What kind of task it is: .NET says so last, and in words of a newer JSON Schema.
        JsonObject { Count: 1 } o when o["const"] is { } only => new JsonObject { ["type"] = "string", ["enum"] = new JsonArray(only.DeepClone()) },
        JsonObject o => new JsonObject(o.Select(m => KeyValuePair.Create(m.Key, m.Value is null ? null : Inlined(m.Value, root)))),
        JsonArray list => new JsonArray([.. list.Select(i => i is null ? null : Inlined(i, root))]),
        _ => node.DeepClone(),
    };

    /// <summary>As YAML, in the order given.</summary>
    public static string Yaml(JsonNode node)
    {
        var text = new StringBuilder("# Generated from the code: FLATRENDER_UPDATE=1 ./flatrender test --filter DocumentSpecs\n");
        Write(text, node, 0, inList: false);
        return text.ToString();
    }

    static void Write(StringBuilder text, JsonNode? node, int depth, bool inList)
    {
        var first = inList;
        if (node is JsonObject members)
            foreach (var (name, value) in members)
            {
                text.Append(first ? "" : new string(' ', depth * 2)).Append(Plain().IsMatch(name) ? name : Quoted(name)).Append(':');
                first = false;
                Value(text, value, depth);
            }
        else if (node is JsonArray items)
            foreach (var item in items)
            {
                text.Append(' ', depth * 2).Append('-');
                if (item is JsonObject { Count: > 0 })
                {
                    text.Append(' ');
                    Write(text, item, depth + 1, inList: true);
                }
                else Value(text, item, depth);
            }
    }

    static void Value(StringBuilder text, JsonNode? value, int depth)
    {
        switch (value)
        {
            case JsonObject { Count: > 0 }:
                text.Append('\n');
                Write(text, value, depth + 1, inList: false);
                break;
            case JsonArray { Count: > 0 }:
                text.Append('\n');
                Write(text, value, depth + 1, inList: false);
                break;
            case JsonObject: text.Append(" {}\n"); break;
            case JsonArray: text.Append(" []\n"); break;
            case null: text.Append(" null\n"); break;
            default: text.Append(' ').Append(value.GetValueKind() == JsonValueKind.String ? Quoted(value.GetValue<string>()) : value.ToJsonString()).Append('\n'); break;
        }
    }

    static string Quoted(string text) => Plain().IsMatch(text) && text is not ("true" or "false" or "null" or "yes" or "no" or "on" or "off") ? text : JsonSerializer.Serialize(text, Wire.Json);

    [GeneratedRegex("^[A-Za-z_][A-Za-z0-9_/-]*$")]
    private static partial Regex Plain();

    [GeneratedRegex(@":[a-z]+\}")]
    private static partial Regex Constraint();
}
