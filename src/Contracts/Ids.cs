using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace FlatRender.Contracts;

/// <summary>An id of one kind of thing: a type of its own inside, a plain UUID v4 on the wire.</summary>
public interface IId<TSelf> where TSelf : struct, IId<TSelf>
{
    Guid Value { get; }
    static abstract TSelf From(Guid value);
}

[JsonConverter(typeof(IdJson<JobId>))]
public readonly record struct JobId(Guid Value) : IId<JobId>
{
    public static JobId From(Guid value) => new(value);
    public static bool TryParse(string? text, out JobId id) => Ids.TryParse(text, out id);
    public override string ToString() => Value.ToString();
}

[JsonConverter(typeof(IdJson<TenantId>))]
public readonly record struct TenantId(Guid Value) : IId<TenantId>
{
    public static TenantId From(Guid value) => new(value);
    public static bool TryParse(string? text, out TenantId id) => Ids.TryParse(text, out id);
    public override string ToString() => Value.ToString();
}

[JsonConverter(typeof(IdJson<UserId>))]
public readonly record struct UserId(Guid Value) : IId<UserId>
{
    public static UserId From(Guid value) => new(value);
    public static bool TryParse(string? text, out UserId id) => Ids.TryParse(text, out id);
    public override string ToString() => Value.ToString();
}

[JsonConverter(typeof(IdJson<NodeId>))]
public readonly record struct NodeId(Guid Value) : IId<NodeId>
{
    public static NodeId From(Guid value) => new(value);
    public static bool TryParse(string? text, out NodeId id) => Ids.TryParse(text, out id);
    public override string ToString() => Value.ToString();
}

[JsonConverter(typeof(IdJson<LeaseId>))]
public readonly record struct LeaseId(Guid Value) : IId<LeaseId>
{
    public static LeaseId From(Guid value) => new(value);
    public static bool TryParse(string? text, out LeaseId id) => Ids.TryParse(text, out id);
    public override string ToString() => Value.ToString();
}

[JsonConverter(typeof(IdJson<TemplateId>))]
public readonly record struct TemplateId(Guid Value) : IId<TemplateId>
{
    public static TemplateId From(Guid value) => new(value);
    public static bool TryParse(string? text, out TemplateId id) => Ids.TryParse(text, out id);
    public override string ToString() => Value.ToString();
}

[JsonConverter(typeof(IdJson<ProjectId>))]
public readonly record struct ProjectId(Guid Value) : IId<ProjectId>
{
    public static ProjectId From(Guid value) => new(value);
    public static bool TryParse(string? text, out ProjectId id) => Ids.TryParse(text, out id);
    public override string ToString() => Value.ToString();
}

[JsonConverter(typeof(IdJson<SnapshotId>))]
public readonly record struct SnapshotId(Guid Value) : IId<SnapshotId>
{
    public static SnapshotId From(Guid value) => new(value);
    public static bool TryParse(string? text, out SnapshotId id) => Ids.TryParse(text, out id);
    public override string ToString() => Value.ToString();
}

/// <summary>Where ids are made: at the edge, once, so that whatever retries carries the same one.</summary>
public static class Ids
{
    /// <summary>A random UUID v4.</summary>
    public static Guid New()
    {
        Span<byte> bytes = stackalloc byte[16];
        RandomNumberGenerator.Fill(bytes);
        return Versioned(bytes);
    }

    /// <summary>The id that always follows from these words: for messages that must carry the same id when sent twice. Marked as version 4, as all ids here are.</summary>
    public static Guid Derived(Guid of, string role)
    {
        Span<byte> input = stackalloc byte[16 + role.Length * 3];
        of.TryWriteBytes(input, bigEndian: true, out _);
        var length = 16 + System.Text.Encoding.UTF8.GetBytes(role, input[16..]);
        Span<byte> hash = stackalloc byte[32];
        SHA256.HashData(input[..length], hash);
        return Versioned(hash[..16]);
    }

    /// <summary>For routes: a UUID in any of its usual forms.</summary>
    public static bool TryParse<T>(string? text, out T id) where T : struct, IId<T>
    {
        var ok = Guid.TryParse(text, out var value);
        id = T.From(value);
        return ok;
    }

    static Guid Versioned(Span<byte> bytes)
    {
        bytes[6] = (byte)(bytes[6] & 0x0F | 0x40);
        bytes[8] = (byte)(bytes[8] & 0x3F | 0x80);
        return new Guid(bytes, bigEndian: true);
    }
}

/// <summary>Writes an id as the UUID it wraps.</summary>
public sealed class IdJson<T> : JsonConverter<T> where T : struct, IId<T>
{
    public override T Read(ref Utf8JsonReader reader, Type type, JsonSerializerOptions options) =>
        reader.TryGetGuid(out var value) ? T.From(value) : throw new JsonException($"A {typeof(T).Name} is a UUID.");

    public override void Write(Utf8JsonWriter writer, T id, JsonSerializerOptions options) => writer.WriteStringValue(id.Value);

    public override T ReadAsPropertyName(ref Utf8JsonReader reader, Type type, JsonSerializerOptions options) => T.From(Guid.Parse(reader.GetString()!));

    public override void WriteAsPropertyName(Utf8JsonWriter writer, T id, JsonSerializerOptions options) => writer.WritePropertyName(id.Value.ToString());
}
