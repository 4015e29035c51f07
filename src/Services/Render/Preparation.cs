using System.Diagnostics;
using System.Text.Json;
using FlatRender.Contracts;
using FlatRender.Foundation;
using MassTransit;
using Microsoft.Extensions.Logging;

namespace FlatRender.Render;

/// <summary>Runs the preparation child: everything wrong with a template and its inputs at once, or the template with its texts baked in.</summary>
public sealed class Preparation(Blobs blobs, ILogger<Preparation> log)
{
    static readonly TimeSpan Deadline = TimeSpan.FromMinutes(2);
    static readonly string Script = FindScript();

    /// <summary>What the preparation adds to its output's name for the sound track.</summary>
    const string SoundEnding = ".m4a";

    // A preparation takes most of a core; more at once would only make each slower.
    readonly SemaphoreSlim _slots = new(Environment.ProcessorCount);

    sealed record Request(string Bundle, JsonElement Inputs, int? Width, int? Height, string? Fps, string? Background, string Out, Limits Limits);
    sealed record Limits(int MaxSeconds, int MaxPixels, long MaxTemplateBytes, int MaxFrames);
    sealed record Answer(bool Ok, IReadOnlyList<Problem> Errors, IReadOnlyList<Problem> Warnings, AnswerFilm? Film, string? FrameStep, string? Engine, bool Sound);
    sealed record AnswerFilm(int Width, int Height, int Frames, int RateNum, int RateDen, Rect Fit, string Background);

    static readonly Limits House = new(MaxSeconds: 3600, MaxPixels: 7680 * 4320, MaxTemplateBytes: 64 << 20, MaxFrames: 216_000);

    // Beside the program in an image; in a checkout, up from the build's folder.
    static string FindScript()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            foreach (var place in new[] { "prepare", Path.Combine("src", "Services", "Render", "prepare") })
                if (Path.Combine(folder.FullName, place, "prepare.mjs") is var script && System.IO.File.Exists(script)) return script;
        throw new FileNotFoundException("prepare/prepare.mjs is neither beside the program nor above it.");
    }

    /// <returns><see cref="RenderPrepared"/> or <see cref="RenderRefused"/>.</returns>
    public async Task<object> PrepareAsync(PrepareRender ask, CancellationToken cancel)
    {
        await using var file = blobs.Open(ask.InputsDigest);
        using var inputs = await JsonDocument.ParseAsync(file, cancellationToken: cancel);
        var scratch = blobs.NewScratch();
        try
        {
            var request = new Request(blobs.PathOf(ask.BundleDigest), inputs.RootElement, ask.Width, ask.Height, ask.Fps, ask.Background ?? "#ffffff", scratch, House);
            var answer = await RunAsync(request, cancel);
            if (answer is null) return new RenderRefused([new(null, "TEMPLATE_INVALID", "The template could not be read: preparing it took too long or too much memory.")], []);
            if (!answer.Ok) return new RenderRefused(answer.Errors, answer.Warnings);
            var (digest, _) = await blobs.KeepAsync(scratch, cancel);
            var film = answer.Film!;
            var sound = answer.Sound ? (await blobs.KeepAsync(scratch + SoundEnding, cancel)).Digest : null;
            return new RenderPrepared(digest, new FilmSpec(film.Width, film.Height, film.Frames, film.RateNum, film.RateDen, film.Background, film.Fit, answer.FrameStep!, answer.Engine!, sound), answer.Warnings);
        }
        finally
        {
            System.IO.File.Delete(scratch);
            System.IO.File.Delete(scratch + SoundEnding);
        }
    }

    // Null: the child died or ran out of time; what it said goes to the log.
    async Task<Answer?> RunAsync(Request request, CancellationToken cancel)
    {
        await _slots.WaitAsync(cancel);
        try
        {
            using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            deadline.CancelAfter(Deadline);
            using var child = Process.Start(new ProcessStartInfo("node", ["--max-old-space-size=2048", Script])
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                UseShellExecute = false,
            })!;
            try
            {
                var errors = child.StandardError.ReadToEndAsync(deadline.Token);
                var output = child.StandardOutput.ReadToEndAsync(deadline.Token);
                await child.StandardInput.WriteAsync(JsonSerializer.Serialize(request, Wire.Json).AsMemory(), deadline.Token);
                child.StandardInput.Close();
                var text = await output;
                await child.WaitForExitAsync(deadline.Token);
                if (child.ExitCode == 0) return JsonSerializer.Deserialize<Answer>(text, Wire.Json);
                log.LogError("Preparation of bundle {Bundle} died with code {Code}: {Errors}", request.Bundle, child.ExitCode, await errors);
                return null;
            }
            catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
            {
                log.LogError("Preparation of bundle {Bundle} took longer than {Deadline}", request.Bundle, Deadline);
                return null;
            }
            finally
            {
                if (!child.HasExited) child.Kill(entireProcessTree: true);
            }
        }
        finally
        {
            _slots.Release();
        }
    }
}

/// <summary>Answers the gateway's preflight.</summary>
public sealed class PrepareConsumer(Preparation preparation) : IConsumer<PrepareRender>
{
    public async Task Consume(ConsumeContext<PrepareRender> context)
    {
        var answer = await preparation.PrepareAsync(context.Message, context.CancellationToken);
        await context.RespondAsync(answer, answer.GetType());
    }
}
