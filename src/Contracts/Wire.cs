using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace FlatRender.Contracts;

/// <summary>How everything of ours is written as JSON: snake_case names, enums by name, nulls left out.</summary>
public static class Wire
{
    public static readonly JsonSerializerOptions Json = Configure(new JsonSerializerOptions(JsonSerializerDefaults.General));

    public static JsonSerializerOptions Configure(JsonSerializerOptions options)
    {
        options.PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower;
        options.DictionaryKeyPolicy = null;
        options.PropertyNameCaseInsensitive = false;
        options.DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull;
        options.NumberHandling = JsonNumberHandling.Strict;
        // Persian and accents stay readable in the database; nothing of ours is pasted into HTML unescaped.
        options.Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping;
        options.MaxDepth = 64;
        // PostgreSQL's jsonb orders members as it likes; what says the kind need not come first.
        options.AllowOutOfOrderMetadataProperties = true;
        return options;
    }
}

/// <summary>The body of every refusal, from every path.</summary>
public sealed record ErrorEnvelope(ErrorBody Error);

/// <param name="Code">Upper snake case, stable, for programs.</param>
/// <param name="Message">A sentence, for people.</param>
/// <param name="Details">What exactly, where there is more to say.</param>
/// <param name="TraceId">Finds the log line.</param>
public sealed record ErrorBody(string Code, string Message, IReadOnlyList<Problem> Details, string TraceId);

/// <summary>One thing wrong with a request. <paramref name="Field"/> is null where it is about the whole.</summary>
public sealed record Problem(string? Field, string Code, string Message);
