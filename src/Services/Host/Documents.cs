using System.Reflection;

namespace FlatRender.Host;

/// <summary>The contract documents as committed (src/Contracts), and pages to read and try them, all from our own files.</summary>
static class Documents
{
    /// <summary>Those whose operations a browser can call here.</summary>
    static readonly string[] Tried = ["gateway-public", "reseller-api"];

    public static void UseDocumentPages(this WebApplication app) => app.UseSwaggerUI(ui =>
    {
        ui.RoutePrefix = "docs";
        ui.DocumentTitle = "FlatRender";
        foreach (var name in Tried) ui.SwaggerEndpoint($"/openapi/rest/{name}.openapi.yaml", name);
    });

    public static void MapDocuments(this WebApplication app) => app.MapGet("/openapi/{folder}/{file}", Get).AllowAnonymous().ExcludeFromDescription();

    static IResult Get(string folder, string file) => Assembly.GetExecutingAssembly().GetManifestResourceStream($"{folder}/{file}") is { } document
        ? Results.Stream(document, "application/yaml")
        : Foundation.Refuse.NotFound($"Document {folder}/{file}");
}
