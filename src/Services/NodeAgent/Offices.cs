namespace FlatRender.NodeAgent;

/// <summary>Several processes of one orchestrator, any of which will do: calls go to one of them until it does not answer, then to the next.</summary>
sealed class Offices(IReadOnlyList<Uri> offices, HttpMessageHandler inner) : DelegatingHandler(inner)
{
    int _at;

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken ct)
    {
        var at = Volatile.Read(ref _at);
        var office = offices[at % offices.Count];
        request.RequestUri = new Uri(office, offices[0].MakeRelativeUri(request.RequestUri!));
        try
        {
            var answer = await base.SendAsync(request, ct);
            // It lives, but cannot do its work for the moment; another may.
            if (answer.StatusCode is System.Net.HttpStatusCode.ServiceUnavailable) Next(at);
            return answer;
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException)
        {
            // Whoever called tries again; the next try goes elsewhere.
            Next(at);
            throw;
        }
    }

    void Next(int from) => Interlocked.CompareExchange(ref _at, (from + 1) % offices.Count, from);
}
