using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace FlatRender.Contracts.Tests;

/// <summary>AsyncAPI 3.0: the events on the broker, and the live socket.</summary>
static class AsyncApi
{
    public static JsonObject Document(IReadOnlyList<string> facts, Func<string, string> subjectOf)
    {
        var (toldBy, saidBy) = (Kinds(typeof(LiveMessage)), Kinds(typeof(LiveCall)));
        var document = new JsonObject
        {
            ["asyncapi"] = "3.1.0",
            ["info"] = new JsonObject
            {
                ["title"] = "FlatRender, as it happens",
                ["version"] = "1.0.0",
                ["description"] = "Events on RabbitMQ (events/README.md) and the live socket of a render (websocket/render-progress.md).",
                ["license"] = new JsonObject { ["name"] = "Apache-2.0", ["url"] = "https://www.apache.org/licenses/LICENSE-2.0" },
                ["contact"] = new JsonObject { ["name"] = "FlatRender", ["url"] = "https://flatrender.ir", ["email"] = "api@flatrender.ir" },
                ["tags"] = new JsonArray(new JsonObject { ["name"] = "events" }, new JsonObject { ["name"] = "live" }),
            },
            ["servers"] = new JsonObject
            {
                ["broker"] = new JsonObject { ["host"] = "localhost:5672", ["protocol"] = "amqp", ["description"] = "The topic exchange flatrender.events." },
                ["gateway"] = new JsonObject { ["host"] = "api.flatrender.ir", ["protocol"] = "wss", ["description"] = "The live socket; subprotocol flatrender.v1." },
            },
            ["channels"] = new JsonObject([
                .. facts.Select(n => KeyValuePair.Create<string, JsonNode?>(n, new JsonObject
                {
                    ["address"] = n,
                    ["servers"] = new JsonArray(Ref("#/servers/broker")),
                    ["messages"] = new JsonObject { [n] = Ref($"#/components/messages/{n}") },
                    ["bindings"] = new JsonObject { ["amqp"] = new JsonObject { ["is"] = "routingKey", ["exchange"] = new JsonObject { ["name"] = "flatrender.events", ["type"] = "topic", ["durable"] = true } } },
                })),
                KeyValuePair.Create<string, JsonNode?>("live", new JsonObject
                {
                    ["address"] = "/ws/v1/render/{job_id}",
                    ["servers"] = new JsonArray(Ref("#/servers/gateway")),
                    ["parameters"] = new JsonObject { ["job_id"] = new JsonObject { ["description"] = "The render that is watched." } },
                    ["bindings"] = new JsonObject { ["ws"] = new JsonObject { ["method"] = "GET", ["query"] = new JsonObject { ["type"] = "object", ["properties"] = new JsonObject { ["token"] = new JsonObject { ["type"] = "string" } } } } },
                    ["messages"] = new JsonObject(toldBy.Concat(saidBy).Select(k => KeyValuePair.Create<string, JsonNode?>(k.Name, Ref($"#/components/messages/{k.Name}")))),
                })]),
            ["operations"] = new JsonObject
            {
                ["tell"] = Operation("send", "What the gateway tells who watches.", "live", toldBy.Select(k => k.Name)),
                ["hear"] = Operation("receive", "What a client may say.", "live", saidBy.Select(k => k.Name)),
            },
            ["components"] = new JsonObject
            {
                ["messages"] = new JsonObject([
                    .. facts.Select(n => KeyValuePair.Create<string, JsonNode?>(n, new JsonObject { ["name"] = n, ["contentType"] = "application/json", ["headers"] = Ref("#/components/schemas/event_headers"), ["payload"] = Ref($"./events/{subjectOf(n)}.yaml#/$defs/{n}") })),
                    .. toldBy.Concat(saidBy).Select(k => KeyValuePair.Create<string, JsonNode?>(k.Name, new JsonObject { ["name"] = k.Name, ["contentType"] = "application/json", ["payload"] = Ref($"#/components/schemas/{k.Name}") }))]),
                ["schemas"] = new JsonObject([KeyValuePair.Create<string, JsonNode?>("event_headers", EventHeaders()), .. toldBy.Select(k => (k, true)).Concat(saidBy.Select(k => (k, false))).Select(x => KeyValuePair.Create<string, JsonNode?>(x.k.Name, Typed(x.k.Name, x.k.Type, x.Item2)))]),
            },
        };
        foreach (var fact in facts) document["operations"]![$"publish_{fact.Replace('.', '_')}"] = Operation("send", "Published once it is stored, at least once.", fact, [fact]);
        return document;
    }

    static (string Name, Type Type)[] Kinds(Type of) => [.. of.GetCustomAttributes(typeof(JsonDerivedTypeAttribute), false).Cast<JsonDerivedTypeAttribute>().Select(a => ((string)a.TypeDiscriminator!, a.DerivedType))];

    static JsonObject Operation(string action, string description, string channel, IEnumerable<string> messages) => new()
    {
        ["action"] = action,
        ["description"] = description,
        ["channel"] = Ref($"#/channels/{channel}"),
        ["messages"] = new JsonArray([.. messages.Select(m => Ref($"#/channels/{channel}/messages/{m}"))]),
    };

    /// <summary>The type comes first and is always the same; what a client says has no member that may be null.</summary>
    static JsonObject Typed(string name, Type type, bool told)
    {
        var schema = Schemas.Of(type, allWritten: true);
        var members = schema["properties"]!.AsObject();
        if (!told)
            foreach (var (_, member) in members)
                if (member!["type"] is JsonArray types) member["type"] = (string)types[0]!;
        var properties = new JsonObject { ["type"] = new JsonObject { ["const"] = name } };
        foreach (var (key, member) in members) properties[key] = member?.DeepClone();
        return new JsonObject { ["type"] = "object", ["properties"] = properties, ["required"] = new JsonArray([.. properties.Select(p => JsonValue.Create(p.Key))]) };
    }

    /// <summary>What every event carries beside its body (events/README.md).</summary>
    static JsonObject EventHeaders()
    {
        static JsonObject Id() => new() { ["type"] = "string", ["format"] = "uuid" };
        static JsonObject Number() => new() { ["type"] = "integer", ["minimum"] = 1 };
        return new JsonObject
        {
            ["type"] = "object",
            ["properties"] = new JsonObject
            {
                ["type"] = new JsonObject { ["type"] = "string" },
                ["stream_id"] = Id(),
                ["version"] = Number(),
                ["seq_id"] = Number(),
                ["trace"] = new JsonObject { ["type"] = "string" },
            },
            ["required"] = new JsonArray("type", "stream_id", "version", "seq_id"),
        };
    }

    static JsonObject Ref(string to) => new() { ["$ref"] = to };
}
