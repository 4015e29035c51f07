using System.Security.Cryptography;
using System.Text.Json;
using FlatRender.Contracts;

namespace FlatRender.Studio;

/// <summary>A project: a fold of its facts.</summary>
public sealed record Project(Guid Id) : IMemory<Project>
{
    public const string StreamType = "project";

    public string State { get; init; } = "";
    public TenantId TenantId { get; init; }
    public ProjectContent? Content { get; init; }

    public static Project Unborn(Guid id) => new(id);

    public Project Apply(object fact) => fact switch
    {
        ProjectCreated e => this with { State = "open", TenantId = e.TenantId, Content = e.Content },
        ProjectChanged e => this with { Content = e.Content },
        ProjectDeleted => this with { State = "deleted" },
        SnapshotTaken => this,
        _ => throw new InvalidOperationException($"{fact.GetType().Name} is no fact of a project."),
    };

    /// <summary>Over all that the film depends on; the name is not among it.</summary>
    public static string DigestOf(ProjectContent content) => Convert.ToHexStringLower(SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(content with { Name = "" }, Wire.Json)));
}
