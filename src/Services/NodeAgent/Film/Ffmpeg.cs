using System.Globalization;
using FlatRender.NodeAgent.Children;

namespace FlatRender.NodeAgent.Film;

/// <summary>How ffmpeg is called here: no network, no questions, complaints only, its processor time at the end.</summary>
sealed class Ffmpeg(Confinement confinement, TimeProvider clock)
{
    static readonly string[] Manners = ["ffmpeg", "-hide_banner", "-nostdin", "-nostats", "-benchmark", "-loglevel", "repeat+level+info", "-y", "-protocol_whitelist", "file,pipe,fd"];

    public Task<Child> Start(string what, string folder, IEnumerable<string> arguments) => Child.Start(new(what, [.. Manners, .. arguments], folder, null), confinement, clock);

    public Task<Child> Probe(string folder, IEnumerable<string> arguments) => Child.Start(new("ffprobe", ["ffprobe", "-hide_banner", "-loglevel", "error", "-protocol_whitelist", "file,pipe", .. arguments], folder, null), confinement, clock);

    public static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);

    /// <summary>Writes an mp4 on the film's own clock.</summary>
    public static string[] Mp4(Rate rate) => ["-video_track_timescale", Number(rate.TicksPerSecond), "-movie_timescale", Number(rate.TicksPerSecond), "-fflags", "+bitexact", "-f", "mp4"];
}

/// <summary>ffmpeg could not write what it was given.</summary>
sealed class EncoderFault(string reason) : Exception(reason);
