using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using FlatRender.Contracts;

namespace FlatRender.Cli;

/// <summary>FlatRender's public REST, as a caller sees it.</summary>
public sealed class Api : IDisposable
{
    readonly HttpClient _http;
    readonly TimeProvider _clock;

    public Api(string url, string token, TimeProvider clock)
    {
        if (!Uri.TryCreate(url.TrimEnd('/') + "/", UriKind.Absolute, out var address) || address.Scheme is not ("http" or "https"))
            throw Refusal.BadInput("BAD_URL", $"'{url}' is no http address of a FlatRender", "FLATRENDER_URL");
        _clock = clock;
        _http = new HttpClient(new SocketsHttpHandler { UseProxy = !address.IsLoopback, ConnectTimeout = TimeSpan.FromSeconds(10) }) { BaseAddress = address, Timeout = TimeSpan.FromSeconds(100) };
        _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        _http.DefaultRequestHeaders.UserAgent.Add(new ProductInfoHeaderValue("flatrender-cli", Help.Version));
    }

    public string Url => _http.BaseAddress!.ToString().TrimEnd('/');

    public async Task<bool> IsReadyAsync(CancellationToken stop)
    {
        try
        {
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(3), _clock);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(stop, patience.Token);
            using var answer = await _http.GetAsync("health/ready", either.Token);
            return answer.IsSuccessStatusCode;
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException && !stop.IsCancellationRequested)
        {
            return false;
        }
    }

    public Task<TemplateView> AddTemplateAsync(byte[] bundle, CancellationToken stop) =>
        AskAsync<TemplateView>(HttpMethod.Post, "v1/templates", new ByteArrayContent(bundle) { Headers = { ContentType = new("application/json") } }, stop);

    /// <param name="key">The same for each try of one submission: it is rendered once.</param>
    public Task<RenderView> SubmitAsync(NewRender render, Guid key, CancellationToken stop)
    {
        var content = JsonContent.Create(render, options: Wire.Json);
        return AskAsync<RenderView>(HttpMethod.Post, "v1/renders", content, stop, ("Idempotency-Key", key.ToString()));
    }

    public Task<RenderView> RenderAsync(JobId job, CancellationToken stop) => AskAsync<RenderView>(HttpMethod.Get, $"v1/renders/{job}", null, stop);

    public Task<Page<RenderView>> RendersAsync(CancellationToken stop) => AskAsync<Page<RenderView>>(HttpMethod.Get, "v1/renders?page=1&page_size=20", null, stop);

    public async Task<IReadOnlyList<TimelineEntry>> EventsAsync(JobId job, CancellationToken stop)
    {
        var all = new List<TimelineEntry>();
        while (true)
        {
            var page = await AskAsync<Page<TimelineEntry>>(HttpMethod.Get, $"v1/renders/{job}/events?page={all.Count / 100 + 1}&page_size=100", null, stop);
            all.AddRange(page.Items);
            if (page.Items.Count < 100 || all.Count >= page.Total)
                return all;
        }
    }

    /// <param name="verb">cancel or retry.</param>
    public Task<RenderView> TellAsync(JobId job, string verb, string? reason, CancellationToken stop) =>
        AskAsync<RenderView>(HttpMethod.Post, $"v1/renders/{job}/{verb}", JsonContent.Create(new ReasonGiven(reason), options: Wire.Json), stop);

    public Task<WaitExplained> WaitingAsync(JobId job, CancellationToken stop) => AskAsync<WaitExplained>(HttpMethod.Get, $"v1/renders/{job}/waiting", null, stop);

    public Task<FarmView> FarmAsync(CancellationToken stop) => AskAsync<FarmView>(HttpMethod.Get, "v1/support/farm", null, stop);

    /// <param name="verb">drain, quarantine or release.</param>
    public Task TellNodeAsync(NodeId node, string verb, string? reason, CancellationToken stop) =>
        TellAsync(HttpMethod.Post, $"v1/support/nodes/{node}/{verb}", JsonContent.Create(new ReasonGiven(reason), options: Wire.Json), stop);

    public Task LimitAsync(NewLimit limit, CancellationToken stop) => TellAsync(HttpMethod.Put, "v1/support/limits", JsonContent.Create(limit, options: Wire.Json), stop);

    async Task TellAsync(HttpMethod method, string path, HttpContent content, CancellationToken stop)
    {
        using var request = new HttpRequestMessage(method, path) { Content = content };
        using var answer = await _http.SendAsync(request, stop);
        await RefusedAsync(answer, stop);
    }

    /// <summary>Copies a finished film, whole.</summary>
    public async Task FilmAsync(JobId job, Stream to, CancellationToken stop)
    {
        using var answer = await _http.GetAsync($"v1/renders/{job}/film", HttpCompletionOption.ResponseHeadersRead, stop);
        await RefusedAsync(answer, stop);
        await using var film = await answer.Content.ReadAsStreamAsync(stop);
        await film.CopyToAsync(to, stop);
    }

    async Task<T> AskAsync<T>(HttpMethod method, string path, HttpContent? content, CancellationToken stop, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, path) { Content = content };
        foreach (var (name, value) in headers)
            request.Headers.Add(name, value);
        try
        {
            using var answer = await _http.SendAsync(request, stop);
            await RefusedAsync(answer, stop);
            return await answer.Content.ReadFromJsonAsync<T>(Wire.Json, stop) ?? throw new JsonException("an empty answer");
        }
        catch (JsonException e)
        {
            throw Refusal.Failed("BAD_ANSWER", $"the answer to {method} /{path} is not what was agreed: {e.Message}");
        }
        catch (TaskCanceledException e) when (!stop.IsCancellationRequested)
        {
            throw new HttpRequestException($"no answer to {method} /{path} in {_http.Timeout.TotalSeconds:0} s", e);
        }
    }

    static async Task RefusedAsync(HttpResponseMessage answer, CancellationToken stop)
    {
        if (answer.IsSuccessStatusCode)
            return;
        var text = await answer.Content.ReadAsStringAsync(stop);
        throw new ApiRefusal(answer.StatusCode, Envelope(text) ?? new ErrorBody($"HTTP_{(int)answer.StatusCode}", $"{(int)answer.StatusCode} {answer.ReasonPhrase}: {text[..Math.Min(text.Length, 200)]}".TrimEnd(':', ' '), [], ""));
    }

    static ErrorBody? Envelope(string text)
    {
        try
        {
            return JsonSerializer.Deserialize<ErrorEnvelope>(text, Wire.Json)?.Error;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    public void Dispose() => _http.Dispose();
}

/// <summary>The host said no, and why.</summary>
public sealed class ApiRefusal(HttpStatusCode status, ErrorBody error) : Exception(error.Message)
{
    public HttpStatusCode Status => status;
    public ErrorBody Error => error;

    /// <summary>True where the caller's input is at fault, and the same input will be refused again.</summary>
    public bool IsBadInput => status is HttpStatusCode.BadRequest or HttpStatusCode.RequestEntityTooLarge or HttpStatusCode.UnsupportedMediaType or HttpStatusCode.UnprocessableEntity;

    /// <summary>Its details, each a problem, or the sentence itself where there are none.</summary>
    public Refusal AsRefusal(int exitCode)
    {
        IReadOnlyList<Problem> problems = error.Details is { Count: > 0 } details ? details : [new Problem(null, error.Code, $"{error.Code}: {error.Message}")];
        return new(exitCode, problems, string.IsNullOrEmpty(error.TraceId) ? null : error.TraceId);
    }
}
