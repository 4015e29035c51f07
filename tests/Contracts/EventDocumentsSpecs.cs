using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using FlatRender.TestKit;

namespace FlatRender.Contracts.Tests;

/// <summary>The committed documents of events and of the live socket say what the records say. FLATRENDER_UPDATE=1 writes them anew.</summary>
public sealed class EventDocumentsSpecs
{
    static readonly string Folder = Path.Combine(Repository.Root, "src", "Contracts");

    /// <summary>What the layout of the contracts names, whether there are words for it yet or not.</summary>
    static readonly string[] s_subjects = ["render", "node", "identity", "file", "tenant", "notification"];

    // Asks and reminders are named for the agenda; they are nobody else's business.
    static readonly string[] s_facts = [.. Vocabulary.All.Names.Where(n => n.EndsWith(".v1", StringComparison.Ordinal) || n.Contains(".v", StringComparison.Ordinal)).Where(n => !n.StartsWith("ask.", StringComparison.Ordinal) && !n.StartsWith("remind.", StringComparison.Ordinal)).Order(StringComparer.Ordinal)];

    static string SubjectOf(string name) => name[..name.IndexOf('.')];

    static IEnumerable<string> Subjects => s_subjects.Union(s_facts.Select(SubjectOf));

    [Fact]
    public void Each_subject_has_a_document_with_the_schema_of_each_of_its_events()
    {
        foreach (var subject in Subjects)
        {
            var events = s_facts.Where(n => SubjectOf(n) == subject).ToArray();
            Same($"events/{subject}.yaml", Generated + Yaml.Of(new JsonObject
            {
                ["$schema"] = "https://json-schema.org/draft/2020-12/schema",
                ["title"] = $"Events about {subject}",
                ["description"] = events.Length == 0 ? "There are none yet." : "One definition an event, by its routing key. A shape is never edited: members are added, and are optional then.",
                ["$defs"] = new JsonObject(events.Select(n => KeyValuePair.Create<string, JsonNode?>(n, Schemas.Of(Vocabulary.All.TypeOf(n))))),
            }));
        }
    }

    [Fact]
    public void The_catalog_names_every_event_with_its_routing_key()
    {
        var page = new StringBuilder("""
            # Events

            **Why.** What has happened is published for whoever wants to know, in any language: to the topic exchange `flatrender.events`, each event under its own name as the routing key, as JSON (snake_case), at least once
            and in order of its stream. A consumer binds its own queue (`render.#`, `node.lost.v1`; `*` is one word, so `render.*.v1` matches nothing here) and must not mind to see an event twice.

            | Property or header | What it holds |
            |---|---|
            | `message_id` | the event's id (UUID): the same when it is sent again |
            | `correlation_id`, header `stream_id` | what it happened to (UUID): for `render.job.*` the render |
            | `type`, header `type` | the event's name |
            | header `version` | its number in its stream, from 1 |
            | header `seq_id` | its number in the whole store |
            | header `trace` | the W3C trace it happened under, where there is one |
            | `timestamp` | when |

            Schemas are in the files beside this page, [`../asyncapi.yaml`](../asyncapi.yaml) puts them together with the live socket. All are generated from the records in `..` and compared by `tests/Contracts`.

            | Routing key | Record | Members |
            |---|---|---|

            """.ReplaceLineEndings("\n"));
        foreach (var name in s_facts)
        {
            var schema = Schemas.Of(Vocabulary.All.TypeOf(name));
            var required = schema["required"]?.AsArray().Select(r => (string)r!).ToHashSet() ?? [];
            var members = schema["properties"]?.AsObject().Select(p => required.Contains(p.Key) ? $"`{p.Key}`" : $"`{p.Key}`?") ?? [];
            page.Append($"| [`{name}`]({SubjectOf(name)}.yaml) | `{Vocabulary.All.TypeOf(name).Name}` | {string.Join(", ", members)} |\n");
        }

        Same("events/README.md", page.ToString());
    }

    [Fact]
    public void One_document_puts_events_and_the_live_socket_together() => Same("asyncapi.yaml", Generated + Yaml.Of(AsyncApi.Document(s_facts, SubjectOf)));

    const string Generated = "# Generated from the records; tests/Contracts compares it, and rewrites it with FLATRENDER_UPDATE=1.\n";

    static void Same(string file, string expected)
    {
        var path = Path.Combine(Folder, file);
        if (Environment.GetEnvironmentVariable("FLATRENDER_UPDATE") == "1")
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, expected);
        }

        (File.Exists(path) ? File.ReadAllText(path) : "").ShouldBe(expected, $"{file} is not what the records say: run with FLATRENDER_UPDATE=1");
    }
}
