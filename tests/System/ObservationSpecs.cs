using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using FlatRender.Cli;
using FlatRender.Contracts;
using FlatRender.TestKit;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace FlatRender.SystemTests;

/// <summary>What an operator turns on by variables: logs as JSON, traces to a collector; one trace id through all of it.</summary>
public sealed class ObservationSpecs
{
    const string Trace = "0af7651916cd43dd8448eb211c80319c", Token = "the-token-of-this-one-spec";

    [Fact]
    public async Task The_trace_of_a_request_is_in_its_answer_in_the_logs_and_at_the_collector_over_the_bus_and_into_the_database()
    {
        await using var database = await OwnDatabase.CreateAsync();
        await using var collector = await Collector.StartAsync();
        var home = Directory.CreateTempSubdirectory("flatrender-observed-").FullName;
        var url = $"http://127.0.0.1:{Ports.Free()}";
        using var host = Running.Start("/", new Dictionary<string, string?>
        {
            ["FLATRENDER_DATABASE"] = database.ConnectionString,
            ["FLATRENDER_API_TOKEN"] = Token,
            ["FLATRENDER_NODE_TOKEN"] = "the-nodes-own-" + Token,
            ["FLATRENDER_ORCHESTRATOR_SECRET"] = "the-orchestrators-" + Token,
            ["FLATRENDER_LOG"] = "json",
            ["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.Url,
            ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf",
        }, "dotnet", Checkout.Host, "serve", "--urls", url, "--home", home);

        using var http = new HttpClient { DefaultRequestHeaders = { Authorization = new AuthenticationHeaderValue("Bearer", Token) } };
        await Wait.UntilAsync("the host is ready", async () =>
        {
            host.HasEnded.ShouldBeFalse();
            try
            {
                using var ready = await http.GetAsync(url + "/health/ready");
                return ready.StatusCode == HttpStatusCode.OK;
            }
            catch (HttpRequestException)
            {
                return false;
            }
        });
        using var ask = new HttpRequestMessage(HttpMethod.Post, url + "/v1/renders") { Content = JsonContent.Create(new NewRender(new TemplateId(Ids.New()), null, null, null, null, null, null), options: Wire.Json) };
        ask.Headers.Add("traceparent", $"00-{Trace}-b7ad6b7169203331-01");
        using var answer = await http.SendAsync(ask);
        answer.StatusCode.ShouldBe(HttpStatusCode.NotFound);
        (await answer.Content.ReadFromJsonAsync<ErrorEnvelope>(Wire.Json))!.Error.TraceId.ShouldBe(Trace);
        Signal.Send(host.Pid, 15);
        var said = await host.EndAsync();
        said.ExitCode.ShouldBe(0, $"{said}");

        // Every line is an object, but the one that whoever started it waits for.
        var lines = said.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(l => !l.StartsWith("ready ", StringComparison.Ordinal)).Select(l => JsonDocument.Parse(l).RootElement).ToArray();
        lines.ShouldAllBe(l => l.GetProperty("level").GetString()!.Length > 0 && l.GetProperty("time").GetDateTimeOffset() > DateTimeOffset.UnixEpoch);
        lines.Where(l => l.TryGetProperty("trace_id", out var id) && id.GetString() == Trace).ShouldNotBeEmpty();

        var spans = collector.SpansOf(Trace);
        spans.ShouldContain(s => s.Contains("HttpRequestIn", StringComparison.Ordinal), "HTTP");
        spans.ShouldContain(s => s.Contains("find-template", StringComparison.Ordinal), "the bus");
        spans.ShouldContain(s => s.Contains("postgresql", StringComparison.Ordinal), "the database");
        Directory.Delete(home, recursive: true);
    }

    /// <summary>Takes OTLP over HTTP, as far as this needs it understood: a span is what stands from one trace id to the next.</summary>
    sealed class Collector : IAsyncDisposable
    {
        readonly ConcurrentBag<byte[]> _bodies = [];
        readonly WebApplication _app;

        Collector(WebApplication app) => _app = app;

        public string Url => _app.Urls.First();

        public static async Task<Collector> StartAsync()
        {
            var builder = WebApplication.CreateSlimBuilder();
            builder.Logging.ClearProviders();
            builder.WebHost.UseUrls("http://127.0.0.1:0");
            var collector = new Collector(builder.Build());
            collector._app.MapPost("/v1/traces", async (HttpRequest request) =>
            {
                using var body = new MemoryStream();
                await request.Body.CopyToAsync(body);
                collector._bodies.Add(body.ToArray());
                return Results.Ok();
            });
            await collector._app.StartAsync();
            return collector;
        }

        public IReadOnlyList<string> SpansOf(string trace)
        {
            var id = Encoding.Latin1.GetString(Convert.FromHexString(trace));
            // Field 1 of a span, sixteen bytes: the trace id begins each.
            return [.. _bodies.SelectMany(body => Encoding.Latin1.GetString(body).Split("\n\u0010", StringSplitOptions.None)).Where(span => span.StartsWith(id, StringComparison.Ordinal))];
        }

        public ValueTask DisposeAsync() => _app.DisposeAsync();
    }
}
