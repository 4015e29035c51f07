namespace FlatRender.Contracts;

/// <summary>Asks the content service for a template; answered by <see cref="FoundTemplate"/>.</summary>
public sealed record FindTemplate(TenantId TenantId, TemplateId TemplateId);

/// <param name="Template">Null: the tenant has no such template.</param>
public sealed record FoundTemplate(TemplateView? Template);
