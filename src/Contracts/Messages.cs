namespace FlatRender.Contracts;

/// <summary>An operation of FlatRender that is reachable over the message gateway; its content and answer have the shapes of the REST documents.</summary>
/// <param name="Url">What a client asks for.</param>
/// <param name="Endpoint">The operation's id in the REST documents.</param>
/// <param name="Permission">Null: everybody who has signed in.</param>
/// <param name="TimeoutSeconds">For the answer.</param>
/// <param name="Id">The member of the content that names one thing, where the REST has it in its path.</param>
/// <param name="Asks">Whether the members of the content are a query; else they are a body.</param>
public sealed record Operation(string Url, string Endpoint, string? Permission, int TimeoutSeconds, string? Id = null, bool Asks = true)
{
    public string RoutingKey => Url.Replace('/', '.');
}

/// <summary>Every such operation. <c>src/Contracts/messages</c> tells them to people.</summary>
public static class Operations
{
    /// <summary>Where they are asked at the broker.</summary>
    public const string Exchange = "flatrender.requests";

    public static readonly IReadOnlyList<Operation> All =
    [
        new("flatrender/renders/submit", "SubmitRender", Permission.RendersWrite, 120, Asks: false),
        new("flatrender/renders/get", "GetRender", Permission.RendersRead, 15, Id: "job_id"),
        new("flatrender/renders/list", "ListRenders", Permission.RendersRead, 15),
        new("flatrender/renders/cancel", "CancelRender", Permission.RendersWrite, 15, Id: "job_id", Asks: false),
        new("flatrender/templates/list", "ListTemplates", Permission.TemplatesRead, 15),
        new("flatrender/me", "Me", null, 15),
        new("flatrender/credits", "GetCredits", Permission.CreditsRead, 15),
    ];
}
