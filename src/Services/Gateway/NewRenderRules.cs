using FlatRender.Contracts;
using FluentValidation;

namespace FlatRender.Gateway;

/// <summary>What a request for a render must be, before its template is even looked at. What the template says about it, preflight checks.</summary>
public sealed class NewRenderRules : AbstractValidator<NewRender>
{
    const int MostInputs = 500, LongestKey = 200, LongestRate = 32, MostTags = 16, LongestTag = 64;

    public NewRenderRules()
    {
        RuleFor(r => r.TemplateId).Must((r, _) => new object?[] { r.TemplateId, r.ProjectId, r.SnapshotId }.Count(of => of is not null) == 1).WithErrorCode("MISSING").WithMessage("Name exactly one of template_id, project_id and snapshot_id.");
        RuleFor(r => r.Inputs).Must((r, _) => r is { ProjectId: null, SnapshotId: null } || r is { Inputs: null, Width: null, Height: null, Fps: null, Background: null }).WithErrorCode("NOT_TOGETHER").WithMessage("A project or snapshot has its own inputs, size, rate and background.");
        RuleFor(r => r.Priority).InclusiveBetween(0, 100).WithErrorCode("BAD_PRIORITY").WithMessage("A priority is 0 (lowest) to 100, not {PropertyValue}.");
        RuleFor(r => r.Fps).MaximumLength(LongestRate).WithErrorCode("BAD_FPS").WithMessage("A frame rate looks like 30, 29.97 or 30000/1001.");
        RuleFor(r => r.Inputs).Must(inputs => inputs is null || inputs.Count <= MostInputs).WithErrorCode("TOO_MANY_INPUTS").WithMessage($"At most {MostInputs} fields may be filled in.");
        RuleFor(r => r.Inputs).Must(inputs => inputs is null || inputs.All(i => i.Key.Length is > 0 and <= LongestKey && i.Value is not null)).WithErrorCode("BAD_INPUT").WithMessage($"Each input has a key of 1 to {LongestKey} characters and a text as its value.");
        RuleFor(r => r.Tags).Must(tags => tags is null || tags.Count <= MostTags && tags.All(t => t is { Length: > 0 and <= LongestTag } && t.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.'))).WithErrorCode("BAD_TAGS").WithMessage($"At most {MostTags} tags, each of 1 to {LongestTag} letters, digits, '-', '_' or '.'.");
    }

    /// <returns>Everything wrong at once; empty when nothing is.</returns>
    public IReadOnlyList<Problem> Problems(NewRender ask) =>
        [.. Validate(ask).Errors.Select(e => new Problem(System.Text.Json.JsonNamingPolicy.SnakeCaseLower.ConvertName(e.PropertyName), e.ErrorCode, e.ErrorMessage))];
}
