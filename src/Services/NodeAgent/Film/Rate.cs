using System.Globalization;
using FlatRender.Contracts;

namespace FlatRender.NodeAgent.Film;

/// <summary>A film's clock: so many ticks a second, a whole number of them a frame, so that every timestamp and duration is exact.</summary>
readonly record struct Rate(int Num, int Den)
{
    /// <summary>mp4 players expect fine ticks; a few a second are legal but badly supported.</summary>
    const int FewestTicks = 10_000;

    public static Rate Of(FilmSpec film) => new(film.RateNum, film.RateDen);

    int Doublings => Num >= FewestTicks ? 0 : (int)Math.Ceiling(Math.Log2((double)FewestTicks / Num));
    public int TicksPerSecond => Num << Doublings;
    public int TicksPerFrame => Den << Doublings;

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Num}/{Den}");
}
