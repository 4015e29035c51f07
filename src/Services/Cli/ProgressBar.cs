using System.Globalization;
using FlatRender.Contracts;

namespace FlatRender.Cli;

/// <summary>A job's progress: one line that is drawn again on a terminal, a plain line now and then elsewhere.</summary>
public sealed class ProgressBar(Terminal terminal, TimeProvider clock) : IDisposable
{
    string _step = "", _shown = "";
    int _tenth = -1;
    long _said;

    public void Show(RenderView view)
    {
        if (terminal.Live)
            Draw(Line(view, terminal.Width - 1));
        else if (view.Step != _step || view.Progress / 10 > _tenth && clock.GetElapsedTime(_said) > TimeSpan.FromSeconds(1))
        {
            terminal.Note(Line(view, 0));
            _said = clock.GetTimestamp();
            _tenth = view.Progress / 10;
        }
        _step = view.Step;
    }

    void Draw(string line)
    {
        if (line == _shown)
            return;
        terminal.Notes.Write("\r" + line + "\e[K");
        terminal.Notes.Flush();
        _shown = line;
    }

    /// <summary>"Rendering  [######......]  90/180 frames  41 fps  0:02 left".</summary>
    /// <param name="width">Columns there are; 0: as many as wanted, without a bar.</param>
    public static string Line(RenderView view, int width)
    {
        var words = new List<string> { $"{view.CurrentFrame}/{view.TotalFrames} frames" };
        if (view.FramesPerSecond is > 0 and var fps)
            words.Add(fps.ToString("0.#", CultureInfo.InvariantCulture) + " fps");
        if (view.EtaSeconds is { } eta && !Step.IsTerminal(view.Step))
            words.Add($"{(int)eta / 60}:{(int)eta % 60:00} left");
        var step = view.Held ? $"{view.Step} (held)" : view.Step;
        var text = string.Join("  ", words);
        // Waiting and failing want a reason more than a bar does.
        if (view.Step is Step.Queued or Step.Repair or Step.Failed && view.Reason.Length > 0)
            text += $"  {view.Reason}";
        var room = Math.Min(30, width - step.PadRight(10).Length - text.Length - 6);
        if (room < 6)
            return width > 0 && $"{step}  {text}" is var plain && plain.Length > width ? plain[..Math.Max(0, width)] : $"{step}  {text}";
        var filled = Math.Clamp(view.Progress, 0, 100) * room / 100;
        return $"{step,-10}  [{new string('#', filled)}{new string('.', room - filled)}]  {text}";
    }

    public void Dispose()
    {
        if (_shown.Length > 0)
            terminal.Notes.WriteLine();
        _shown = "";
    }
}
