using System.Collections.Concurrent;

namespace FlatRender.SystemTests;

/// <summary>One FlatRender that is up for all tests that do it no harm, and the films they share.</summary>
public sealed class Farm : IAsyncLifetime
{
    readonly ConcurrentDictionary<string, Lazy<Task<Film>>> _films = new();

    public Installation At { get; } = new();

    public Task InitializeAsync() => At.UpAsync("--slots", "2");

    public Task DisposeAsync() => At.DisposeAsync().AsTask();

    /// <summary>A real file's film, 320 pixels wide; rendered once.</summary>
    public Task<Film> FilmOfAsync(string real) => OnceAsync(Checkout.Real(real), "--size", "320x");

    public Task<Film> OnceAsync(string template, params string[] options) =>
        _films.GetOrAdd(string.Join(' ', [template, .. options]), _ => new(() => At.RenderAsync(template, options))).Value;
}

[CollectionDefinition(Name)]
public sealed class FarmTests : ICollectionFixture<Farm>
{
    public const string Name = "a farm that is up";
}

/// <summary>A FlatRender whose parts are killed, and the film that must come out all the same.</summary>
public sealed class Victim : IAsyncLifetime
{
    /// <summary>Long enough to be caught in the middle, small enough to be quick.</summary>
    public static readonly string[] Render = ["--size", "160x90", "--fps", "60"];

    public Installation At { get; } = new();

    /// <summary>The same film from a quiet run.</summary>
    public Film Undisturbed { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        await At.UpAsync("--slots", "2");
        Undisturbed = await At.RenderAsync(Checkout.TitleCard, Render);
    }

    public Task DisposeAsync() => At.DisposeAsync().AsTask();
}

[CollectionDefinition(Name)]
public sealed class VictimTests : ICollectionFixture<Victim>
{
    public const string Name = "a farm that is harmed";
}
