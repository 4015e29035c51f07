using System.Diagnostics.Metrics;
using FlatRender.Contracts;

namespace FlatRender.Render;

/// <summary>What the farm's office measures of the work that comes in.</summary>
static class FarmMeters
{
    static readonly Meter Meter = new("FlatRender.Render");
    static readonly Histogram<double> Frames = Meter.CreateHistogram<double>("flatrender_frame", "s", "Seconds to draw one frame of a chunk, on average over the chunk.");
    static readonly Counter<long> Results = Meter.CreateCounter<long>("flatrender_results", description: "Results of nodes that were accepted, by kind.");

    /// <summary>Asked for at the start, so that they are told before anything has been measured.</summary>
    public static IReadOnlyList<Instrument> All => [Frames, Results];

    public static void Took(NodeResult result)
    {
        Results.Add(1, new KeyValuePair<string, object?>("kind", Kind(result)));
        if (result is TaskRendered { Segment.Count: > 0 } drawn) Frames.Record(drawn.Times.Draw / drawn.Segment.Count, new KeyValuePair<string, object?>("kind", "render"));
    }

    static string Kind(NodeResult result) => result switch
    {
        TaskRendered => "render",
        TaskValidated => "validate",
        TaskAssembled => "assemble",
        _ => "failed",
    };
}
