using System.Text;
using System.Text.Json;

namespace FlatRender.Gateway.Messages;

/// <summary>Reads the routes file (its form: <c>src/Contracts/messages</c>). Everything wrong with it is said at once.</summary>
public static class MessageConfiguration
{
    const int LongestName = 255, LongestUrl = 1024;
    const double ShortestTimeout = 0.05, LongestTimeout = 600, UsualTimeout = 10;

    static readonly string[] RouteMembers = ["url", "exchange", "routing_key", "response_exchange", "timeout_seconds", "token", "permissions", "dialect", "microservice"];

    /// <param name="own">Routes that are there without being written: a file's may not hide them.</param>
    /// <returns>The plan, or what is wrong.</returns>
    public static (MessagePlan? Plan, IReadOnlyList<string> Problems) Read(ReadOnlyMemory<byte> json, IEnumerable<MessageRoute> own)
    {
        var wrong = new List<string>();
        try
        {
            using var document = JsonDocument.Parse(json, new JsonDocumentOptions { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true });
            var root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object) return (null, ["The file is a JSON object with 'routes' and 'limits'."]);
            Strangers(root, ["routes", "limits"], "", wrong);
            var limits = root.TryGetProperty("limits", out var given) ? Limits(given, wrong) : MessageLimits.Default;
            var routes = own.ToDictionary(r => r.Url);
            if (root.TryGetProperty("routes", out var list) && list.ValueKind != JsonValueKind.Array) wrong.Add("'routes' is a list.");
            else if (list.ValueKind == JsonValueKind.Array)
                foreach (var (item, at) in list.EnumerateArray().Select((r, i) => (r, i)))
                    if (Route(item, $"routes[{at}]", wrong) is { } route && !routes.TryAdd(route.Url, route)) wrong.Add($"routes[{at}]: there is a route for '{route.Url}' already.");
            return wrong.Count > 0 ? (null, wrong) : (new MessagePlan(routes, limits), wrong);
        }
        catch (JsonException e)
        {
            return (null, [$"The file is not JSON: {e.Message}"]);
        }
    }

    static MessageRoute? Route(JsonElement item, string at, List<string> wrong)
    {
        if (item.ValueKind != JsonValueKind.Object)
        {
            wrong.Add($"{at} is an object.");
            return null;
        }

        var before = wrong.Count;
        Strangers(item, RouteMembers, at + ": ", wrong);
        var url = MessageRoute.Normal(Text(item, "url", at, wrong, null, LongestUrl));
        if (url.Length == 0 && wrong.Count == before) wrong.Add($"{at}: 'url' is empty.");
        var exchange = Text(item, "exchange", at, wrong, null);
        var key = Text(item, "routing_key", at, wrong, null);
        var responses = Text(item, "response_exchange", at, wrong, MessageRoute.Responses);
        var dialect = Text(item, "dialect", at, wrong, "om") switch
        {
            "om" => Dialect.Om,
            "legacy" => Dialect.Legacy,
            "both" => Dialect.Both,
            var other => Wrong(wrong, $"{at}: 'dialect' is om, legacy or both, not '{other}'.", Dialect.Om),
        };
        var microservice = Text(item, "microservice", at, wrong, "");
        if (dialect != Dialect.Om && microservice.Length == 0) wrong.Add($"{at}: the legacy dialect needs 'microservice', the name that the service knows itself by.");
        var token = true;
        if (item.TryGetProperty("token", out var tokenGiven))
        {
            if (tokenGiven.ValueKind is JsonValueKind.True or JsonValueKind.False) token = tokenGiven.GetBoolean();
            else wrong.Add($"{at}: 'token' is true or false.");
        }

        var permissions = Permissions(item, at, wrong);
        if (!token && permissions.Count > 0) wrong.Add($"{at}: 'permissions' without a token cannot be had by anybody.");
        var timeout = UsualTimeout;
        if (item.TryGetProperty("timeout_seconds", out var timeoutGiven) && (timeoutGiven.ValueKind != JsonValueKind.Number || !timeoutGiven.TryGetDouble(out timeout) || timeout is < ShortestTimeout or > LongestTimeout))
            wrong.Add(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{at}: 'timeout_seconds' is a number from {ShortestTimeout} to {LongestTimeout}."));
        return wrong.Count > before ? null : new MessageRoute(url, exchange, key, responses, TimeSpan.FromSeconds(timeout), token, permissions, dialect, microservice);
    }

    static List<string> Permissions(JsonElement item, string at, List<string> wrong)
    {
        var permissions = new List<string>();
        if (!item.TryGetProperty("permissions", out var given)) return permissions;
        if (given.ValueKind != JsonValueKind.Array) return Wrong(wrong, $"{at}: 'permissions' is a list.", permissions);
        foreach (var one in given.EnumerateArray())
        {
            if (one.ValueKind == JsonValueKind.String && Grants.Normal(one.GetString()!) is { } permission) permissions.Add(permission);
            else wrong.Add($"{at}: a permission is written {{microservice}}.{{resource}}.{{action}}, not {one.GetRawText()}.");
        }

        return permissions;
    }

    static MessageLimits Limits(JsonElement given, List<string> wrong)
    {
        var limits = MessageLimits.Default;
        if (given.ValueKind != JsonValueKind.Object) return Wrong(wrong, "'limits' is an object.", limits);
        Strangers(given, ["in_flight", "per_second", "message_bytes", "reply_bytes", "user_in_flight", "user_per_second", "sockets"], "limits: ", wrong);
        int Number(string name, int usual, int most)
        {
            if (!given.TryGetProperty(name, out var value)) return usual;
            return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) && number >= 1 && number <= most ? number : Wrong(wrong, $"limits: '{name}' is a whole number from 1 to {most}.", usual);
        }

        return new(Number("in_flight", limits.InFlight, 10_000), Number("per_second", limits.PerSecond, 1_000_000), Number("message_bytes", limits.MessageBytes, 64 << 20), Number("reply_bytes", limits.ReplyBytes, 64 << 20),
            Number("user_in_flight", limits.UserInFlight, 100_000), Number("user_per_second", limits.UserPerSecond, 1_000_000), Number("sockets", limits.Sockets, 1_000_000));
    }

    /// <param name="usual">Null: it must be written.</param>
    static string Text(JsonElement item, string name, string at, List<string> wrong, string? usual, int longest = LongestName)
    {
        if (!item.TryGetProperty(name, out var value)) return usual ?? Wrong(wrong, $"{at}: '{name}' is missing.", "");
        if (value.ValueKind != JsonValueKind.String) return Wrong(wrong, $"{at}: '{name}' is a text.", usual ?? "");
        return Encoding.UTF8.GetByteCount(value.GetString()!) <= longest ? value.GetString()! : Wrong(wrong, $"{at}: '{name}' is longer than {longest} bytes.", usual ?? "");
    }

    static void Strangers(JsonElement item, string[] known, string at, List<string> wrong)
    {
        foreach (var member in item.EnumerateObject())
            if (!known.Contains(member.Name)) wrong.Add($"{at}there is no '{member.Name}'; there is {string.Join(", ", known)}.");
        foreach (var twice in item.EnumerateObject().GroupBy(m => m.Name).Where(g => g.Count() > 1)) wrong.Add($"{at}'{twice.Key}' is written twice.");
    }

    static T Wrong<T>(List<string> wrong, string what, T instead)
    {
        wrong.Add(what);
        return instead;
    }
}
