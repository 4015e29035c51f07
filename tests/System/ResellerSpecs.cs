using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using FlatRender.Contracts;

namespace FlatRender.SystemTests;

/// <summary>The sample of a reseller's program, as anybody would run it.</summary>
[Collection(FarmTests.Name)]
public sealed class ResellerSpecs(Farm farm)
{
    [Fact]
    public async Task The_sample_program_signs_submits_and_brings_the_film_home()
    {
        using var owner = new HttpClient { BaseAddress = new Uri(farm.At.Note.Url) };
        owner.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", farm.At.Secrets.ApiToken);
        using var issued = await owner.PostAsJsonAsync("/v1/api-keys", new NewApiKey("shop", [Permission.TemplatesRead, Permission.TemplatesWrite, Permission.RendersRead, Permission.RendersWrite]), Wire.Json);
        var key = (await issued.Content.ReadFromJsonAsync<ApiKeyView>(Wire.Json))!;
        var path = Path.Combine(farm.At.Desk, "sold.mp4");
        using var program = Running.Start(farm.At.Desk, new Dictionary<string, string?> { ["FLATRENDER_URL"] = farm.At.Note.Url, ["FLATRENDER_API_KEY"] = $"{key.ApiKeyId}", ["FLATRENDER_API_SECRET"] = key.Secret },
            ["node", Path.Combine(Checkout.Root, "samples", "reseller", "reseller.mjs"), farm.At.Write("sold.json", SmallLottie.Of()), path]);

        var said = await program.EndAsync();

        said.ExitCode.ShouldBe(0, $"{said}");
        using var answer = JsonDocument.Parse(said.Output);
        var render = (await owner.GetFromJsonAsync<RenderView>($"/v1/renders/{answer.RootElement.GetProperty("job_id")}", Wire.Json))!;
        (await new Film(path, render, said.Notes).ProbeAsync()).ShouldBe(new Probed("h264", "yuv420p", "64x48", 6, "30/1", "30/1", "0", "1/5"));
    }
}
