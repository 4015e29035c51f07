using System.Globalization;
using FlatRender.TestKit;

namespace FlatRender.Contracts.Tests;

/// <summary>The page that tells resellers how to sign is right.</summary>
public sealed class ResellerPageSpecs
{
    static readonly string[] Lines = File.ReadAllLines(Path.Combine(Repository.Root, "src", "Contracts", "rest", "reseller.md"));

    // A row of the example's table: what stands under its two columns.
    static string[] Row(string name) => [.. Lines.Single(l => l.StartsWith($"| {name} |", StringComparison.Ordinal)).Split('|')[2..4].Select(cell => cell.Trim().Trim('`'))];

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void Its_worked_example_is_what_the_code_makes_of_it(int column)
    {
        var secret = Lines.Single(l => l.StartsWith("With the secret `", StringComparison.Ordinal)).Split('`')[1];
        string Of(string name) => Row(name)[column];
        CallSignature.DigestOf(System.Text.Encoding.UTF8.GetBytes(Of("body"))).ShouldBe(Of("digest"));
        CallSignature.Of(secret, Of("method"), Of("path"), Of("digest"), long.Parse(Of("timestamp"), CultureInfo.InvariantCulture), Of("nonce"), Of("idempotency key") is { Length: > 0 } key ? key : null).ShouldBe(Of("signature"));
    }

    [Fact]
    public void It_names_every_header_and_every_scope()
    {
        foreach (var header in SignedHeaders.All) Lines.ShouldContain(l => l.StartsWith($"| `{header}` |", StringComparison.Ordinal));
        foreach (var scope in Permission.Scopes) Lines.ShouldContain(l => l.StartsWith('|') && l.Contains($"`{scope}`", StringComparison.Ordinal));
    }
}
