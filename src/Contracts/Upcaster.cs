using System.Text.Json.Nodes;

namespace FlatRender.Contracts;

/// <summary>How a stored message of an older shape becomes one of the next: <c>render.job.queued.v1</c> to <c>.v2</c>. What is stored is never rewritten; it is read anew each time.</summary>
/// <param name="From">The old wire name, which no record has any more.</param>
/// <param name="To">The name it then has; another upcaster may take it further.</param>
/// <param name="Change">Changes the old JSON into the new. It is given a copy of its own.</param>
public sealed record Upcaster(string From, string To, Func<JsonObject, JsonObject> Change);
