using System.Text.Json;

namespace FlatRender.MessageAdapter;

/// <summary>What a microservice answers: content, or an error.</summary>
public sealed class Answer
{
    static readonly JsonWriterOptions Relaxed = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    readonly string? _error;
    readonly ReadOnlyMemory<byte> _json;

    Answer(string? error, ReadOnlyMemory<byte> json) => (_error, _json) = (error, json);

    /// <param name="json">JSON already; empty: there is nothing to say but that it is done.</param>
    public static Answer Raw(ReadOnlyMemory<byte> json) => new(null, json);

    public static Answer Of<T>(T content, JsonSerializerOptions? options = null) => new(null, JsonSerializer.SerializeToUtf8Bytes(content, options));

    /// <param name="type">For programs: <c>ValidationError</c>, <c>Forbidden</c> ...</param>
    /// <param name="details">A text, a list or a dictionary.</param>
    public static Answer Error<T>(string type, T details, JsonSerializerOptions? options = null) => new(type, JsonSerializer.SerializeToUtf8Bytes(details, options));

    /// <summary>As it travels.</summary>
    public ReadOnlyMemory<byte> Json(string? eventName)
    {
        var buffer = new System.Buffers.ArrayBufferWriter<byte>(_json.Length + 128);
        using var json = new Utf8JsonWriter(buffer, Relaxed);
        json.WriteStartObject();
        if (_error is not null)
        {
            json.WriteStartObject("error");
            json.WriteString("type", _error);
            json.WritePropertyName("details");
            json.WriteRawValue(_json.Span);
            json.WriteEndObject();
        }
        else if (!_json.IsEmpty)
        {
            json.WritePropertyName("content");
            json.WriteRawValue(_json.Span);
        }

        json.WriteString("event-name", eventName);
        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenMemory;
    }
}

/// <summary>Answers what comes through the message gateway.</summary>
public interface IMicroservice
{
    /// <summary>May be called for many at once. What it throws is logged, and answered as an error that says nothing of it.</summary>
    Task<Answer> AnswerAsync(Question question, CancellationToken cancel);
}
