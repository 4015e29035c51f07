using System.Text.Json;
using System.Text.Json.Nodes;
using FlatRender.Contracts;
using FlatRender.EventStore;

namespace FlatRender.Contracts.Tests;

/// <summary>Old shapes are read as those of today; what is not known is never guessed.</summary>
public sealed class UpcasterSpecs
{
    sealed record Painted(Guid Id, string Colour, int Coats);

    sealed record Wall(Guid Id) : IMemory<Wall>
    {
        public string State { get; init; } = "";
        public int Coats { get; init; }
        public static Wall Unborn(Guid id) => new(id);
        public Wall Apply(object fact) => fact is Painted e ? this with { State = e.Colour, Coats = Coats + e.Coats } : throw new UnknownWordException($"A wall cannot take in a {fact.GetType().Name}.");
    }

    // v1 said "color", and painted once; v2 said "colour"; v3 counts coats.
    static readonly Upcaster First = new("wall.painted.v1", "wall.painted.v2", old => new JsonObject { ["id"] = old["id"]!.DeepClone(), ["colour"] = old["color"]!.DeepClone() });

    static readonly Upcaster Second = new("wall.painted.v2", "wall.painted.v3", old =>
    {
        old["coats"] = 1;
        return old;
    });

    static readonly Vocabulary Today = new(("wall.painted.v3", typeof(Painted)));
    static readonly Vocabulary Words = Today.With(First, Second);
    static readonly Guid Id = new("7b9d9d3c-5c1e-4f60-9c52-0f6f7d9c1a11");

    static RecordedEvent Stored(string type, string data) => new(1, Id, Id, 1, type, data, DateTimeOffset.UnixEpoch, "{}");

    [Theory]
    [InlineData("wall.painted.v1", "{\"id\":\"7b9d9d3c-5c1e-4f60-9c52-0f6f7d9c1a11\",\"color\":\"red\"}", 1)]
    [InlineData("wall.painted.v2", "{\"id\":\"7b9d9d3c-5c1e-4f60-9c52-0f6f7d9c1a11\",\"colour\":\"red\"}", 1)]
    [InlineData("wall.painted.v3", "{\"id\":\"7b9d9d3c-5c1e-4f60-9c52-0f6f7d9c1a11\",\"colour\":\"red\",\"coats\":3}", 3)]
    public void Every_shape_there_ever_was_is_read_as_that_of_today(string type, string data, int coats)
    {
        var fact = Stored(type, data).Fact(Words);
        fact.ShouldBe(new Painted(Id, "red", coats));
        Wall.Unborn(Id).Apply(fact).Coats.ShouldBe(coats);
        Words.Knows(type).ShouldBeTrue();
        Words.TypeOf(type).ShouldBe(typeof(Painted));
    }

    [Fact]
    public void What_is_written_has_the_name_of_today() => Words.NameOf(typeof(Painted)).ShouldBe("wall.painted.v3");

    [Fact]
    public void A_name_that_nobody_knows_is_refused_and_not_guessed()
    {
        Words.Knows("wall.painted.v4").ShouldBeFalse();
        Should.Throw<UnknownWordException>(() => Stored("wall.painted.v4", "{}").Fact(Words)).Message.ShouldContain("'wall.painted.v4'");
        Should.Throw<UnknownWordException>(() => Wall.Unborn(Id).Apply("something else"));
    }

    [Fact]
    public void Data_that_is_not_of_its_shape_is_refused() => Should.Throw<JsonException>(() => Stored("wall.painted.v3", "{\"coats\":\"many\"}").Fact(Words));

    [Fact]
    public void Upcasters_that_lead_nowhere_are_found_when_the_vocabulary_is_made()
    {
        Should.Throw<UnknownWordException>(() => Today.With(First));
        Should.Throw<ArgumentException>(() => Today.With(First, new Upcaster("wall.painted.v2", "wall.painted.v1", o => o))).Message.ShouldContain("circle");
        Should.Throw<ArgumentException>(() => Today.With(new Upcaster("wall.painted.v3", "wall.painted.v3", o => o))).Message.ShouldContain("word of today");
    }
}
