using Microsoft.AspNetCore.Http;

namespace FlatRender.Foundation;

/// <summary>How often one caller (or, not signed in, one address) may call; metadata of an endpoint. The host keeps count.</summary>
/// <param name="Name">Endpoints of one name share their count.</param>
public sealed record Rate(string Name, int Calls, TimeSpan Per)
{
    /// <summary>Where someone could guess passwords or tokens.</summary>
    public static readonly Rate Guessing = new("guessing", 30, TimeSpan.FromMinutes(1));

    public static readonly Rate Usual = new("usual", 3000, TimeSpan.FromMinutes(1));
}

/// <summary>Pages of lists: <c>?page=1&amp;page_size=20</c>.</summary>
public static class Paging
{
    public static IResult? Problem(int page, int size) =>
        page is < 1 or > 1_000_000 || size is < 1 or > 100 ? Refuse.Invalid("BAD_PAGE", "page is 1 to 1000000; page_size is 1 to 100.") : null;
}
