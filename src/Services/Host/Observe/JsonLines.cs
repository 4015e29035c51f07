using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;

namespace FlatRender.Host;

/// <summary>One JSON object a line: time, level, category, message, what the message was made of, and the trace id that error envelopes and spans carry.</summary>
sealed class JsonLines(TimeProvider clock) : ConsoleFormatter(Name_)
{
    public const string Name_ = "flatrender-json";

    public override void Write<TState>(in LogEntry<TState> entry, IExternalScopeProvider? scopeProvider, TextWriter textWriter)
    {
        using var bytes = new MemoryStream();
        using (var json = new Utf8JsonWriter(bytes))
        {
            json.WriteStartObject();
            json.WriteString("time", clock.GetUtcNow());
            json.WriteString("level", entry.LogLevel.ToString().ToLowerInvariant());
            json.WriteString("category", entry.Category);
            json.WriteString("message", entry.Formatter(entry.State, null));
            if (Activity.Current is { } activity)
            {
                json.WriteString("trace_id", activity.TraceId.ToString());
                json.WriteString("span_id", activity.SpanId.ToString());
            }
            if (entry.Exception is not null) json.WriteString("exception", entry.Exception.ToString());
            if (entry.State is IReadOnlyList<KeyValuePair<string, object?>> values)
            {
                json.WriteStartObject("values");
                foreach (var (name, value) in values)
                    if (name != "{OriginalFormat}" && value is not null) json.WriteString(JsonNamingPolicy.SnakeCaseLower.ConvertName(name), Convert.ToString(value, System.Globalization.CultureInfo.InvariantCulture));
                json.WriteEndObject();
            }
            json.WriteEndObject();
        }
        textWriter.WriteLine(Encoding.UTF8.GetString(bytes.ToArray()));
    }
}
