using FlatRender.Contracts;
using FlatRender.NodeAgent.Work;

namespace FlatRender.NodeAgent;

/// <summary>What is wrong with a task before anything is started for it.</summary>
static class TaskCheck
{
    const int MaxSide = 16_384, MaxPixels = 8192 * 8192;

    public static IReadOnlyList<Problem> Problems(NodeTask task, IEnumerable<string> engines)
    {
        var problems = new List<Problem>();
        void Want(bool fine, string field, string message)
        {
            if (!fine) problems.Add(new(field, "BAD_VALUE", message));
        }
        var film = task.Film;
        Want(film.Width is > 0 and <= MaxSide && film.Height is > 0 and <= MaxSide && ((film.Width | film.Height) & 1) == 0 && (long)film.Width * film.Height <= MaxPixels, "film", $"A film of {film.Width}x{film.Height} cannot be made: sides are even and at most {MaxSide}.");
        Want(film.Frames > 0, "film.frames", $"A film has frames; this one has {film.Frames}.");
        Want(film.RateNum > 0 && film.RateDen > 0, "film.rate", $"{film.RateNum}/{film.RateDen} is no frame rate.");
        Want(FrameStep.TryParse(film.FrameStep) is not null, "film.frame_step", $"A frame step is numerator/denominator, not '{film.FrameStep}'.");
        Want(film.Background is ['#', .. { Length: 6 } digits] && digits.All(char.IsAsciiHexDigit), "film.background", $"A background is #rrggbb, not '{film.Background}'.");
        Want(Files.IsDigest(task.TemplateDigest), "template_digest", $"'{task.TemplateDigest}' is no SHA-256 digest.");
        Want(film.Sound is null || Files.IsDigest(film.Sound), "film.sound", $"'{film.Sound}' is no SHA-256 digest.");
        Want(task.DeadlineSeconds is > 0 and < 1e6, "deadline_seconds", $"A deadline of {task.DeadlineSeconds} s makes no sense.");
        if (task is RenderTask r) Piece(r.First, r.Count);
        if (task is ValidateTask v) Piece(v.Segment.First, v.Segment.Count);
        if (task is AssembleTask a) Want(a.ThumbnailFrame >= 0 && a.ThumbnailFrame < film.Frames, "thumbnail_frame", $"There is no frame {a.ThumbnailFrame} in a film of {film.Frames}.");
        var engine = task is RenderTask render ? render.Engine : task is ValidateTask validate ? validate.Engine : null;
        Want(engine is null || engines.Contains(engine), "engine", $"This node has no engine '{engine}'.");
        return problems;

        void Piece(int first, int count) => Want(first >= 0 && count > 0 && (long)first + count <= film.Frames, "first", $"Frames {first} to {first + count - 1} are not all in a film of {film.Frames}.");
    }
}
