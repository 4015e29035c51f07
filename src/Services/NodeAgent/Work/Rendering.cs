using System.Buffers;
using System.Threading.Channels;
using FlatRender.Contracts;
using FlatRender.NodeAgent.Children;
using FlatRender.NodeAgent.Film;
using FlatRender.NodeAgent.Pixels;

namespace FlatRender.NodeAgent.Work;

/// <summary>Draws a piece of film and encodes it. Drawing, converting and encoding run side by side, each a few frames ahead of the next.</summary>
static class Rendering
{
    const int PreviewWidth = 320, PreviewQuality = 70;

    public static async Task<NodeResult> Run(RenderTask task, Slot slot, Running running, Stopwatches watches, CancellationToken ct)
    {
        var film = task.Film;
        var engine = await slot.EngineFor(SceneOf(task, task.Engine), watches, ct);
        var path = Path.Combine(slot.Scratch, "segment.mp4");
        await using var encoder = await Encoder.Start(slot.Shop.Ffmpeg, path, film.Width, film.Height, Rate.Of(film), task.Count);
        var marks = await Draw(task, slot, running, engine, encoder, watches, ct);

        var finishing = watches.Now;
        await encoder.Finish(ct);
        watches.Encode += watches.Since(finishing);
        watches.Cpu(encoder.Cpu);

        var storing = watches.Now;
        using var segment = await slot.Send(path, ct);
        var manifest = new SegmentManifest(task.JobId, task.First, task.Count, film.Width, film.Height, segment.Digest, task.TemplateDigest, engine.Digest, Hardware.Architecture, marks);
        var manifestPath = Path.Combine(slot.Scratch, "manifest.json");
        await File.WriteAllBytesAsync(manifestPath, System.Text.Json.JsonSerializer.SerializeToUtf8Bytes(manifest, Wire.Json), ct);
        using var kept = await slot.Send(manifestPath, ct);
        watches.Store += watches.Since(storing);
        return new TaskRendered(task.LeaseId, task.Epoch, watches.Times, new SegmentFiles(task.First, task.Count, segment.Digest, kept.Digest), engine.Digest);
    }

    public static Scene SceneOf(NodeTask task, string engine) => new(engine, task.TemplateDigest, task.Film.Width, task.Film.Height, task.Film.Background, task.Film.Fit);

    static async Task<IReadOnlyList<FrameMark>> Draw(RenderTask task, Slot slot, Running running, Engine engine, Encoder encoder, Stopwatches watches, CancellationToken ct)
    {
        var film = task.Film;
        int rgbaBytes = film.Width * film.Height * 4, planarBytes = I420.Size(film.Width, film.Height);
        var step = FrameStep.Parse(film.FrameStep);
        var frames = Enumerable.Range(task.First, task.Count).Select(i => (i, step.At(i))).ToArray();
        using var planar = new Buffers(planarBytes);
        var drawn = Channel.CreateUnbounded<(int Index, IMemoryOwner<byte> Pixels)>(new() { SingleReader = true, SingleWriter = true });
        var converted = Channel.CreateUnbounded<IMemoryOwner<byte>>(new() { SingleReader = true, SingleWriter = true });
        var marks = new List<FrameMark>(task.Count);

        async Task Drawing(CancellationToken stop)
        {
            using var kill = engine.KilledBy(stop);
            long start = watches.Now;
            var cpu = engine.Cpu;
            await engine.Draw(frames, rgbaBytes, (index, pixels) => drawn.Writer.WriteAsync((index, pixels), stop), stop);
            drawn.Writer.Complete();
            watches.Draw += watches.Since(start);
            watches.Cpu(engine.Cpu - cpu);
        }

        async Task Converting(CancellationToken stop)
        {
            await foreach (var (index, pixels) in drawn.Reader.ReadAllAsync(stop))
            {
                using var rgba = pixels;
                var picture = await planar.Rent(stop);
                watches.OnCpu(() =>
                {
                    marks.Add(Mark(index, rgba.Memory.Span, film.Width, film.Height, picture.Memory.Span));
                    if (slot.PreviewIsDue()) running.Show("data:image/jpeg;base64," + Convert.ToBase64String(Picture.JpegOfRgba(rgba.Memory.Span, film.Width, film.Height, PreviewWidth, PreviewQuality)));
                });
                await converted.Writer.WriteAsync(picture, stop);
            }
            converted.Writer.Complete();
        }

        async Task Encoding(CancellationToken stop)
        {
            await foreach (var picture in converted.Reader.ReadAllAsync(stop))
            {
                using var i420 = picture;
                var start = watches.Now;
                await encoder.Write(i420.Memory, stop);
                watches.Encode += watches.Since(start);
                running.OneMore();
            }
        }

        try
        {
            await Together(ct, Drawing, Converting, Encoding);
        }
        finally
        {
            while (drawn.Reader.TryRead(out var left)) left.Pixels.Dispose();
        }
        return marks;
    }

    public static FrameMark Mark(int index, ReadOnlySpan<byte> rgba, int width, int height, Span<byte> picture)
    {
        I420.FromRgba(rgba, width, height, picture);
        var signature = new byte[Luma.Length];
        Luma.Signature(picture[..(width * height)], width, height, signature);
        return new FrameMark(index, Crc32C.Hex(rgba), Convert.ToBase64String(signature));
    }

    /// <summary>Runs stages side by side; when one fails the others stop, and the first failure is the one told.</summary>
    static async Task Together(CancellationToken ct, params Func<CancellationToken, Task>[] stages)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(ct);
        Exception? first = null;
        await Task.WhenAll(stages.Select(stage => Task.Run(async () =>
        {
            try
            {
                await stage(stop.Token);
            }
            catch (Exception e)
            {
                Interlocked.CompareExchange(ref first, e, null);
                await stop.CancelAsync();
            }
        }, CancellationToken.None)));
        ct.ThrowIfCancellationRequested();
        if (first is not null) System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(first);
    }
}
