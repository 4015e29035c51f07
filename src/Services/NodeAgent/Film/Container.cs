using System.Buffers.Binary;
using System.Globalization;
using System.Text.Json;

namespace FlatRender.NodeAgent.Film;

/// <summary>What is wrong with an mp4 as a container, by ffprobe: codec, size, rate, count, and every timestamp.</summary>
static class Container
{
    /// <summary>Sentences; none when all is exact.</summary>
    public static async Task<IReadOnlyList<string>> Problems(Ffmpeg ffmpeg, string path, int width, int height, Rate rate, int frames, CancellationToken ct, bool sound = false)
    {
        // A file cut within what comes after the pictures still plays.
        if (Boxes(path) is null) return ["The file does not end where it should."];
        await using var child = await ffmpeg.Probe(Path.GetDirectoryName(path)!,
            ["-show_entries", "stream=codec_type,codec_name,pix_fmt,width,height,r_frame_rate,time_base,start_pts,duration_ts,nb_frames,color_space,color_primaries,color_transfer,color_range,sample_rate,channels:packet=stream_index,pts,duration", "-of", "json=c=1", path]);
        using var stop = ct.Register(() => child.Kill("the task was stopped"));
        using var text = new StreamReader(child.Output);
        var json = await text.ReadToEndAsync(ct);
        if (await child.Wait(ct) != 0) return [child.Obituary()];
        using var facts = JsonDocument.Parse(json);
        return [.. Stream(facts.RootElement, width, height, rate, frames, sound), .. Times(facts.RootElement, rate, frames)];
    }

    static IEnumerable<string> Stream(JsonElement facts, int width, int height, Rate rate, int frames, bool sound)
    {
        var streams = facts.GetProperty("streams");
        var count = sound ? 2 : 1;
        if (streams.GetArrayLength() != count)
        {
            yield return $"There are {streams.GetArrayLength()} streams, not {count}.";
            yield break;
        }
        var text = CultureInfo.InvariantCulture;
        if (sound)
        {
            var track = streams[1];
            foreach (var (name, value) in ((string, string)[])[("codec_name", "aac"), ("sample_rate", $"{SoundTrack.Rate}"), ("channels", "2"), ("start_pts", "0")])
                if (!track.TryGetProperty(name, out var member) || member.ToString() != value) yield return $"The sound's {name} is not {value}.";
            var samples = (double)frames * rate.TicksPerFrame / rate.TicksPerSecond * SoundTrack.Rate;
            if (Math.Abs(Long(track, "duration_ts") - samples) > 2) yield return string.Create(text, $"The sound has {Long(track, "duration_ts")} samples, not {samples:0}.");
        }
        (string Name, string Value)[] expected =
        [
            ("codec_name", "h264"), ("pix_fmt", "yuv420p"), ("width", width.ToString(text)), ("height", height.ToString(text)), ("r_frame_rate", Reduced(rate)), ("time_base", $"1/{rate.TicksPerSecond}"),
            ("start_pts", "0"), ("duration_ts", ((long)frames * rate.TicksPerFrame).ToString(text)), ("nb_frames", frames.ToString(text)),
            ("color_space", "bt709"), ("color_primaries", "bt709"), ("color_transfer", "bt709"), ("color_range", "tv"),
        ];
        foreach (var (name, value) in expected)
        {
            var found = streams[0].TryGetProperty(name, out var member) ? member.ToString() : "nothing";
            // A single frame has no distance to another, so no rate can be read from it.
            if (found != value && !(name == "r_frame_rate" && frames == 1)) yield return $"{name} is {found}, not {value}.";
        }
    }

    static IEnumerable<string> Times(JsonElement facts, Rate rate, int frames)
    {
        var packets = facts.GetProperty("packets").EnumerateArray().Where(p => Long(p, "stream_index") == 0).Select(p => (Pts: Long(p, "pts"), Duration: Long(p, "duration"))).OrderBy(p => p.Pts).ToArray();
        if (packets.Length != frames) yield return $"There are {packets.Length} frames in the file, not {frames}.";
        for (var i = 0; i < packets.Length; i++)
        {
            if (packets[i] == ((long)i * rate.TicksPerFrame, rate.TicksPerFrame)) continue;
            yield return $"Frame {i} stands at {packets[i].Pts} for {packets[i].Duration} ticks, not at {(long)i * rate.TicksPerFrame} for {rate.TicksPerFrame}.";
            yield break;
        }
    }

    static long Long(JsonElement packet, string name) => packet.TryGetProperty(name, out var value) && value.TryGetInt64(out var number) ? number : long.MinValue;

    static string Reduced(Rate rate)
    {
        var divisor = (int)System.Numerics.BigInteger.GreatestCommonDivisor(rate.Num, rate.Den);
        return string.Create(CultureInfo.InvariantCulture, $"{rate.Num / divisor}/{rate.Den / divisor}");
    }

    /// <summary>True when a player can start before the whole file is there: the index comes before the pictures.</summary>
    public static bool StartsFast(string path) => Boxes(path)?.FirstOrDefault(box => box is "moov" or "mdat") == "moov";

    /// <summary>The names of the file's outermost boxes; null when they do not fill it to its last byte.</summary>
    static IReadOnlyList<string>? Boxes(string path)
    {
        using var file = File.OpenRead(path);
        Span<byte> head = stackalloc byte[16];
        var names = new List<string>();
        for (long at = 0, size; at < file.Length; at += size)
        {
            file.Position = at;
            var read = file.ReadAtLeast(head, 16, throwOnEndOfStream: false);
            if (read < 8) return null;
            size = BinaryPrimitives.ReadUInt32BigEndian(head);
            if (size == 1 && read == 16) size = BinaryPrimitives.ReadInt64BigEndian(head[8..]);
            if (size < 8 || size > file.Length - at) return null;
            names.Add(System.Text.Encoding.ASCII.GetString(head[4..8]));
        }
        return names;
    }
}
