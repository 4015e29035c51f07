using FlatRender.Contracts;
using FlatRender.Foundation;
using MassTransit;
using Microsoft.AspNetCore.Mvc;

namespace FlatRender.Gateway;

/// <summary>Why a render waits, for its owner.</summary>
static class Waiting
{
    static readonly RequestTimeout Patience = RequestTimeout.After(s: 5);

    public static async Task<IResult> ExplainAsync(JobId id, HttpContext http, JobViews views, [FromServices] IRequestClient<ExplainWait> farm, CancellationToken cancel)
    {
        if (await views.FindAsync(Caller.Of(http).TenantId, id, cancel) is not { } view) return Refuse.NotFound($"Render {id}");
        if (Step.IsTerminal(view.Step)) return Results.Json(new WaitExplained(id, [new("OVER", $"It waits for nothing: it is {view.Step}.")], 0, 0, 0, []), Wire.Json);
        try
        {
            return Results.Json((await farm.GetResponse<WaitExplained>(new ExplainWait(id), cancel, Patience)).Message, Wire.Json);
        }
        catch (RequestException)
        {
            return Refuse.Unavailable("The farm does not answer: the render waits for it to come back.");
        }
    }
}
