using System.Reflection;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using FlatRender.Contracts;
using FlatRender.Gateway.Messages;
using FlatRender.MessageAdapter;
using FlatRender.TestKit;
using RabbitMQ.Client;

namespace FlatRender.Gateway.Tests;

/// <summary>The page of the message protocol says what the code does; the adapter reads what the page says.</summary>
public sealed partial class MessageDocumentSpecs
{
    static readonly string Page = System.IO.File.ReadAllText(Path.Combine(Repository.Root, "src/Contracts/messages/protocol.md"));

    /// <summary>The rows of the table whose head begins so: their cells, without the marks of code.</summary>
    static string[][] Table(string head) =>
        [.. Page[Page.IndexOf("\n| " + head, StringComparison.Ordinal)..].Split('\n').Skip(3).TakeWhile(l => l.StartsWith('|')).Select(l => l.Trim()[1..^1].Split('|').Select(c => c.Trim().Trim('`')).ToArray())];

    [Fact]
    public void Every_error_of_the_gateway_is_in_the_table_and_no_other() =>
        Table("Type").Select(r => r[0]).ShouldBe(typeof(MessageError).GetFields(BindingFlags.Public | BindingFlags.Static).Select(f => (string)f.GetRawConstantValue()!), ignoreOrder: true);

    [Fact]
    public void Every_limit_is_in_the_table_with_its_default() =>
        Table("Limit").ToDictionary(r => r[0], r => r[1]).ShouldBe(typeof(MessageLimits).GetProperties().Where(p => p.PropertyType == typeof(int)).ToDictionary(p => JsonNamingPolicy.SnakeCaseLower.ConvertName(p.Name), p => $"{p.GetValue(MessageLimits.Default)}"), ignoreOrder: true);

    [Fact]
    public void Every_operation_of_ours_is_in_the_table_with_its_permission() =>
        Table("Url").Select(r => (r[0], r[2], r[3])).ShouldBe(Operations.All.Select(o => (o.Url, o.Endpoint, o.Permission is { } p ? "flatrender." + p.Replace(':', '.') : "")));

    [Fact]
    public void The_routes_of_the_page_and_of_the_examples_can_be_served()
    {
        var examples = System.IO.File.ReadAllText(Path.Combine(Repository.Root, "samples/microservices/routes.json"));
        foreach (var file in new[] { examples, RoutesFile().Match(Page).Groups[1].Value })
        {
            var (plan, wrong) = MessageConfiguration.Read(Encoding.UTF8.GetBytes(file), []);
            wrong.ShouldBeEmpty();
            plan!.Find("/api/v1//matchmaking/search/").ShouldNotBeNull().Exchange.ShouldBe("open-matchmaking.direct");
        }
    }

    [Fact]
    public void A_route_has_the_defaults_of_the_table()
    {
        var (plan, _) = MessageConfiguration.Read("""{"routes":[{"url":"a","exchange":"x","routing_key":"k"}]}"""u8.ToArray(), []);
        var defaults = Table("Member | Default").ToDictionary(r => r[0], r => r[1]);
        plan!.Find("a").ShouldBe(new MessageRoute("a", "x", "k", defaults["response_exchange"], TimeSpan.FromSeconds(int.Parse(defaults["timeout_seconds"], System.Globalization.CultureInfo.InvariantCulture)), bool.Parse(defaults["token"]), plan.Find("a")!.Permissions, Dialect.Om, ""));
        plan.Find("a")!.Permissions.ShouldBeEmpty();
        defaults["dialect"].ShouldBe("om");
    }

    [Theory]
    [InlineData("om_request_url", "om_user_id", "om_permissions", ";")]
    [InlineData("request_url", "user_id", "permissions", ",")]
    public void The_adapter_reads_either_dialect(string url, string user, string permissions, string separator)
    {
        Dictionary<string, object?> headers = new() { [url] = "/a/b"u8.ToArray(), [user] = "somebody"u8.ToArray(), [permissions] = Encoding.UTF8.GetBytes($"a.b.c{separator} d.e.f{separator}") };
        var question = Question.Read("a.b", new BasicProperties { Headers = headers }, "{}"u8.ToArray());
        (question.RoutingKey, question.Url, question.UserId, question.TenantId).ShouldBe(("a.b", "/a/b", "somebody", ""));
        question.Permissions.ShouldBe(["a.b.c", "d.e.f"]);
    }

    [Theory]
    [InlineData("name", """{"content":{"a":1},"event-name":"name"}""")]
    [InlineData(null, """{"content":{"a":1},"event-name":null}""")]
    public void The_adapter_answers_with_content(string? name, string json) => Encoding.UTF8.GetString(Answer.Of(new { a = 1 }).Json(name).Span).ShouldBe(json);

    [Fact]
    public void The_adapter_answers_with_an_error_or_with_nothing_but_the_name()
    {
        Encoding.UTF8.GetString(Answer.Error("Forbidden", new[] { "one", "two" }).Json("n").Span).ShouldBe("""{"error":{"type":"Forbidden","details":["one","two"]},"event-name":"n"}""");
        Encoding.UTF8.GetString(Answer.Raw(default).Json("n").Span).ShouldBe("""{"event-name":"n"}""");
    }

    [GeneratedRegex("```json\n(\\{\n  \"limits\".*?)```", RegexOptions.Singleline)]
    private static partial Regex RoutesFile();
}
