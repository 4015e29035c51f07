using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using FlatRender.Contracts;
using FlatRender.Foundation;
using Microsoft.AspNetCore.Http;

namespace FlatRender.Render;

interface IBody
{
    /// <summary>What is wrong with it, or null.</summary>
    string? Problem { get; }
}

/// <summary>A body that is whole: every member of the record that may not be null is there. One that is not is refused before anything looks at it (<see cref="Bodies.Whole"/>).</summary>
readonly record struct Body<T>(T? Given, string? Problem) : IBody where T : class
{
    public T Value => Given!;

    public static async ValueTask<Body<T>> BindAsync(HttpContext http)
    {
        if (!http.Request.HasJsonContentType()) return new(null, "Send application/json.");
        try
        {
            return await JsonSerializer.DeserializeAsync<T>(http.Request.Body, Bodies.Strict, http.RequestAborted) is { } given ? new(given, null) : new(null, "The body is null.");
        }
        catch (Exception e) when (e is JsonException or NotSupportedException)
        {
            return new(null, $"The body is no {typeof(T).Name}: {e.Message}");
        }
    }
}

static class Bodies
{
    // Nulls are left out on the wire, so what may be null may be missing; nothing else may.
    public static readonly JsonSerializerOptions Strict = new(Wire.Json)
    {
        RespectRequiredConstructorParameters = true,
        RespectNullableAnnotations = true,
        TypeInfoResolver = new DefaultJsonTypeInfoResolver { Modifiers = { MayBeMissing } },
    };

    static void MayBeMissing(JsonTypeInfo type)
    {
        foreach (var member in type.Properties)
            if (member.IsRequired && member.IsSetNullable && (!member.PropertyType.IsValueType || Nullable.GetUnderlyingType(member.PropertyType) is not null)) member.IsRequired = false;
    }

    public static async ValueTask<object?> Whole(EndpointFilterInvocationContext call, EndpointFilterDelegate next) =>
        call.Arguments.OfType<IBody>().FirstOrDefault(b => b.Problem is not null) is { Problem: { } problem } ? Refuse.With(StatusCodes.Status400BadRequest, "BAD_REQUEST", problem) : await next(call);
}
