using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using FlatRender.TestKit;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace FlatRender.Gateway.Tests;

/// <summary>The committed contract documents are what the server does.</summary>
[Collection(SharedServer.Name)]
public sealed partial class DocumentSpecs(Server server)
{
    static readonly string Folder = Path.Combine(Repository.Root, "src", "Contracts");

    public static TheoryData<string> Names => [.. ContractDocuments.All.Select(d => d.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task A_document_is_what_the_server_does(string name) =>
        Compare($"rest/{name}.openapi.yaml", ContractDocuments.Sharing(await ContractDocuments.GenerateAsync(server.Services, ContractDocuments.All.Single(d => d.Name == name))));

    [Fact]
    public async Task What_all_documents_share_is_said_once() => Compare("common/types.yaml", ContractDocuments.Common(await ContractDocuments.GenerateAsync(server.Services, ContractDocuments.House)));

    [Fact]
    public void The_node_agents_document_has_the_calls_of_its_door()
    {
        var document = ContractDocuments.NodeAgent();
        var served = DoorCall().Matches(System.IO.File.ReadAllText(Path.Combine(Repository.Root, "src", "Services", "NodeAgent", "Door.cs"))).Select(m => $"{m.Groups[1].Value.ToLowerInvariant()} {m.Groups[2].Value}").Order().ToArray();
        document["paths"]!.AsObject().SelectMany(p => p.Value!.AsObject().Select(o => $"{o.Key} {p.Key}")).Order().ShouldBe(served);
        Compare("rest/node-agent.openapi.yaml", document);
    }

    [Fact]
    public void Every_endpoint_for_programs_stands_in_a_document()
    {
        var tagged = ContractDocuments.All.SelectMany(d => d.Tags!).ToHashSet();
        var endpoints = server.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>().Where(e => e.RoutePattern.RawText!.TrimStart('/').StartsWith("v1/", StringComparison.Ordinal)).ToArray();
        endpoints.Length.ShouldBeGreaterThan(40);
        endpoints.Where(e => e.Metadata.GetMetadata<Microsoft.AspNetCore.Http.Metadata.ITagsMetadata>()?.Tags.Any(tagged.Contains) != true || e.Metadata.GetMetadata<IEndpointNameMetadata>() is null).Select(e => e.DisplayName)
            .ShouldBeEmpty("an endpoint has a tag of a document, and .Tells(...) what it answers");
    }

    [Fact]
    public async Task The_documents_are_served_and_their_pages_load_nothing_from_elsewhere()
    {
        (await TextAsync("/openapi/rest/gateway-public.openapi.yaml")).ShouldContain("/v1/renders");
        (await TextAsync("/openapi/common/types.yaml")).ShouldContain("PaginatedResponse");
        var page = await TextAsync("/docs/index.html");
        page.ShouldContain("swagger-ui");
        ExternalAddress().IsMatch(page).ShouldBeFalse(page);

        async Task<string> TextAsync(string path)
        {
            using var answer = await server.Anonymous().SendAsync(HttpMethod.Get, path);
            ((int)answer.StatusCode).ShouldBe(200, path);
            return await answer.Content.ReadAsStringAsync();
        }
    }

    static void Compare(string file, JsonNode document)
    {
        var path = Path.Combine(Folder, file);
        var made = ContractDocuments.Yaml(document);
        if (Environment.GetEnvironmentVariable("FLATRENDER_UPDATE") == "1")
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            System.IO.File.WriteAllText(path, made);
        }
        System.IO.File.ReadAllText(path).ShouldBe(made, $"src/Contracts/{file} is not what the code does: run again with FLATRENDER_UPDATE=1");
    }

    [GeneratedRegex(@"app\.Map(Get|Post|Put|Delete)\(""([^""]+)""")]
    private static partial Regex DoorCall();

    [GeneratedRegex(@"(src|href)=[""'](https?:)?//")]
    private static partial Regex ExternalAddress();
}
