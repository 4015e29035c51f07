namespace FlatRender.Bench;

/// <summary>One thing that goes wrong.</summary>
/// <param name="Target">gateway, render, leader (of the relay), agent, broker, database or reader (the foreign one).</param>
/// <param name="How">
/// kill: -9, and started again. freeze: SIGSTOP, later SIGCONT. cut_broker, cut_database, cut: the connections there. crash: one backend of PostgreSQL, which takes all others with it.
/// </param>
sealed record Blow(string Target, string How)
{
    public string Name => $"{Target}_{How}";

    public static readonly IReadOnlyList<Blow> All =
    [
        .. new[] { "gateway", "render", "leader" }.SelectMany(t => new[] { "kill", "freeze", "cut_broker", "cut_database" }.Select(how => new Blow(t, how))),
        new("agent", "kill"), new("agent", "freeze"),
        new("broker", "kill"), new("broker", "freeze"),
        new("database", "kill"), new("database", "crash"),
        new("reader", "cut"),
    ];
}

/// <param name="Jobs">Small renders, all submitted as fast as they are taken.</param>
/// <param name="CancelEvery">Each so-many-th is cancelled soon after it was accepted.</param>
/// <param name="Blows">Most of them; they end with the last render.</param>
sealed record ChaosPlan(int Seed, int Jobs, int CancelEvery, int Blows)
{
    /// <summary>Frames of a film: three pieces.</summary>
    public int Frames { get; init; } = 120;

    /// <summary>What may go wrong; null: everything.</summary>
    public IReadOnlyList<Blow>? Only { get; init; }

    /// <summary>After the last blow, for everything to come to its end.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>The blows in their order: shuffled packs, so that each kind comes before one comes again.</summary>
    public IEnumerable<Blow> Deck(Random random)
    {
        for (var left = Blows; left > 0;)
        {
            var pack = (Only ?? Blow.All).ToArray();
            random.Shuffle(pack);
            foreach (var blow in pack.Take(left)) yield return blow;
            left -= pack.Length;
        }
    }
}
