using FlatRender.Cli;
using FlatRender.Contracts;

namespace FlatRender.SystemTests;

/// <summary>A render that was caught in its middle: frames have been drawn and not all, and its engines are stopped where they are.</summary>
public sealed record Frozen(Running Command, JobId Job) : IDisposable
{
    const int Tries = 10;

    /// <param name="at">Where the engines run.</param>
    /// <param name="film">What the command writes: of a render that was missed, it is removed.</param>
    public static async Task<Frozen> CatchAsync(Installation at, Api api, Book book, string film, Func<Running> start)
    {
        for (var attempt = 1; attempt <= Tries; attempt++)
        {
            var command = start();
            JobId? caught = null;
            await Wait.UntilAsync("a render is in its middle", async () =>
            {
                caught = (await api.RendersAsync(CancellationToken.None)).Items.FirstOrDefault(v => v is { Step: Step.Rendering, CurrentFrame: > 0 })?.JobId;
                return caught is not null || command.HasEnded;
            });
            at.SignalEngines(Signal.Stop);
            if (caught is { } job && (await book.WorkAsync(job)).Any(p => p.Kind == "render" && p.State != "done")) return new(command, job);

            // On a busy machine a small render is over before anybody has looked: the next one, then.
            at.SignalEngines(Signal.Continue);
            using (command)
            {
                var said = await command.EndAsync();
                said.ExitCode.ShouldBe(0, $"{said}");
            }
            File.Delete(Path.Combine(at.Desk, film));
        }
        throw new TimeoutException($"{Tries} renders were over before they could be disturbed.");
    }

    public void Dispose() => Command.Dispose();
}
