namespace FlatRender.Contracts;

/// <summary>An ask that no reminder repeats: where nobody could take it in, it is brought again until somebody can. Whoever takes it in must not mind hearing it twice, nor late.</summary>
[AttributeUsage(AttributeTargets.Class)]
public sealed class SaidOnceAttribute : Attribute;
